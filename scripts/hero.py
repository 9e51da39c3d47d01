"""Make the first screen's model and its poster again: `.venv/bin/python scripts/hero.py [FOLDER]`.

The model is what a visitor gets for that example with that face limit.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from image2model.generators.local.engine import generate_preview  # noqa: E402  the package is not installed
from image2model.mesh.render.thumbnail import render_thumbnail  # noqa: E402  the package is not installed

PICTURE = ROOT / "examples" / "mushroom-house.jpg"
FOLDER = ROOT / "image2model" / "web" / "ui" / "static" / "hero"
FACE_LIMIT = 12_000
"""All else is as by default: so the file stays below 500 kB, on a page that shows it to every visitor."""
POSTER_SIDE = 640


def make(folder: Path) -> None:
    """Write the GLB, then a WebP picture of it, into a folder."""
    folder.mkdir(exist_ok=True)
    glb = folder / f"{PICTURE.stem}.glb"
    with Image.open(PICTURE) as image:
        glb.write_bytes(generate_preview(image.convert("RGB"), {}, FACE_LIMIT, lambda done, what: None))
    glb.with_suffix(".webp").write_bytes(render_thumbnail(glb, POSTER_SIDE))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
