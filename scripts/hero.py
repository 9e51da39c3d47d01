"""Make the picture, model and poster of the first screen again: `.venv/bin/python scripts/hero.py [FOLDER]`.

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

EXAMPLE = ROOT / "examples" / "mushroom-house.jpg"
FOLDER = ROOT / "image2model" / "web" / "ui" / "static" / "hero"
FACE_LIMIT = 12_000
"""All else is as by default: so the model stays below 500 kB, on a page that shows it to every visitor."""
PICTURE_SIDE, POSTER_SIDE = 400, 640


def make(folder: Path) -> None:
    """Write the picture as the page shows it, the model, and a picture of that for as long as it loads."""
    with Image.open(EXAMPLE) as opened:
        image = opened.convert("RGB")
    model = folder / "model.glb"
    model.write_bytes(generate_preview(image, {}, FACE_LIMIT, lambda done, what: None))
    (folder / "poster.webp").write_bytes(render_thumbnail(model, POSTER_SIDE))
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    image.save(folder / "picture.webp", quality=85, method=6)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
