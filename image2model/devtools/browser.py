"""How headless Chromium is started, for tests, benchmarks and the documentation's pictures."""

from __future__ import annotations

import shutil
from typing import Any

CHROMIUM: dict[str, Any] = {
    # Debian's shell without a window's own pages needs three quarters of the processor time
    "executable_path": shutil.which("chromium-headless-shell") or shutil.which("chromium"),
    "args": [
        "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
        "--disable-gpu-compositing",  # the page itself drawn without WebGL: less than half the processor time
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
}  # fmt: skip
"""Arguments of Playwright's `launch`; WebGL is drawn in software."""
