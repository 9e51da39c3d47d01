"""A mesh turned once around: an animated WebP with a transparent background, drawn on the processor."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from ...atomic_files import atomic_write
from ..gltf.reader import Glb
from .thumbnail import picture, reach_of

SIZE = 320
"""Pixels a side."""
TURNS = 30
MANY_FACES, FEWER_TURNS = 400_000, 15
"""Meshes that take long to draw are seen from fewer sides."""
ROUND = 3000
"""Milliseconds for once around."""


def turntable(glb: Path, to: Path) -> None:
    """Write the turntable of a GLB; raise GenerationFailed where there is nothing to draw.

    It turns to the left as seen from the front, each turn framed alike, and begins where the thumbnail stands.
    """
    opened = Glb(glb)
    scene = opened.scene()
    reach = reach_of(scene)
    turns = TURNS if len(scene.faces) < MANY_FACES else FEWER_TURNS
    first, *others = [picture(opened, scene, SIZE, 2 * np.pi * number / turns, reach) for number in range(turns)]
    buffer = io.BytesIO()
    first.save(
        buffer, "WEBP", save_all=True, append_images=others, duration=ROUND // turns, loop=0, quality=75, method=2,
        background=(0, 0, 0, 0),
    )  # fmt: skip
    atomic_write(to, buffer.getvalue())
