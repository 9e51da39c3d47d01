"""Runs fal-client's own published tests, those that talk to fal, against the stand-in.

    python -m tests.support.fal_published

They come in fal-client's source package, which is fetched from PyPI for the installed version and not kept.
Left out: streaming, which no image-to-3D model does, and unit tests that talk to no server.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from image2model.devtools.fal_stand_in import KEY
from image2model.devtools.fal_stand_in.schemas import IMAGE, PNG, SEED, TEXT, Endpoint, File
from image2model.generators.fal import FalHosts
from image2model.generators.fal.fal_client_compat import point_fal_client_at
from tests.support.fal_server import FalServer

CHOSEN = "test_fal_client and not streaming"


def _picture(file: File) -> dict[str, Any]:
    return {
        "images": [{**file("image.png", PNG), "width": 1024, "height": 1024}],
        "seed": 42,
        "has_nsfw_concepts": [False],
        "prompt": "a cat",
    }


ENDPOINTS = {
    "fal-ai/fast-sdxl": Endpoint({"prompt": TEXT, "seed": SEED}, _picture, 0.01),
    "fal-ai/fast-sdxl/image-to-image": Endpoint({"prompt": TEXT, "image_url": IMAGE, "seed": SEED}, _picture, 0.01),
}


def published(folder: Path) -> list[str]:
    """The test files of the installed fal-client."""
    package = f"fal-client=={version('fal-client')}"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        ":all:",
        "-d",
        str(folder),
        package,
    ]
    subprocess.run(pip, check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    return [str(path) for path in sorted(folder.glob("*/tests/test_*.py"))]


def main() -> int:
    """Exit with pytest's own status."""
    with (
        tempfile.TemporaryDirectory() as folder,
        FalServer(endpoints=ENDPOINTS) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("FAL_KEY", KEY)
        point_fal_client_at(FalHosts.at(server.url))
        options = ["-q", "-rA", "-k", CHOSEN, "-p", "no:cacheprovider", "--import-mode=importlib"]
        status = pytest.main([*options, *published(Path(folder))])
        print(f"calls: {dict(server.calls)}")
    return int(status)


if __name__ == "__main__":
    raise SystemExit(main())
