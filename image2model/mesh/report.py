"""What is made of every new asset, once, in a worker process: its facts and its thumbnail."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from ..atomic_files import atomic_write
from .facts import scene_facts
from .gltf.reader import Glb
from .render.thumbnail import draw


def report(glb: Path, thumbnail_to: Path | None) -> dict[str, Any]:
    """Return the facts of a GLB and write its thumbnail (WebP), having read the file once.

    Raises GenerationFailed for a file that nobody could open.
    """
    opened = Glb(glb)
    scene = opened.scene()
    if thumbnail_to is not None:
        atomic_write(thumbnail_to, draw(opened, scene))
    return scene_facts(opened, scene).to_dict()


def warm_up() -> None:
    """Load what the first report would wait for: Pillow looks for its formats when one is first used."""
    Image.new("RGBA", (1, 1)).save(io.BytesIO(), "WEBP")
