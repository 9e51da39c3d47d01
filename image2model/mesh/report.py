"""The report on a new mesh, made once in a worker process: facts and thumbnail."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from ..atomic_files import atomic_write
from .facts import scene_facts
from .gltf.reader import Glb
from .render.thumbnail import encode_thumbnail

LIBRARIES = ("image2model.mesh.report", "PIL.WebPImagePlugin")
"""Modules that a report imports, for workers to share."""


def write_report(path: Path, thumbnail_path: Path | None) -> dict[str, Any]:
    """Return the facts of the GLB at `path` and write its thumbnail (WebP), reading the file once.

    Raises GenerationFailed for a file that cannot be opened.
    """
    glb = Glb(path)
    scene = glb.scene()
    if thumbnail_path is not None:
        atomic_write(thumbnail_path, encode_thumbnail(glb, scene))
    return scene_facts(glb, scene).to_dict()


def warm_up() -> None:
    """Load Pillow's formats, for which the first report would wait."""
    Image.new("RGBA", (1, 1)).save(io.BytesIO(), "WEBP")
