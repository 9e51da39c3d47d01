"""Turntable: an animated WebP of a mesh turning once around."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from ...atomic_files import atomic_write
from ..gltf.reader import Glb
from .thumbnail import render_view, turntable_extent

SIZE = 320
"""Pixels a side."""
FRAMES = 30
MANY_FACES, FEWER_FRAMES = 400_000, 15
"""Meshes that take long to draw get fewer frames."""
DURATION_MS = 3000
"""Milliseconds per revolution."""


def write_turntable(glb: Path, target: Path) -> None:
    """Write the turntable of a GLB; raise GenerationFailed where there is nothing to draw.

    It turns to the left as seen from the front, in one framing, starting from the thumbnail's view.
    """
    glb_file = Glb(glb)
    scene = glb_file.scene()
    extent = turntable_extent(scene)
    frame_count = FRAMES if len(scene.faces) < MANY_FACES else FEWER_FRAMES
    first_frame, *other_frames = [
        render_view(glb_file, scene, SIZE, 2 * np.pi * number / frame_count, extent) for number in range(frame_count)
    ]
    buffer = io.BytesIO()
    first_frame.save(
        buffer, "WEBP", save_all=True, append_images=other_frames, duration=DURATION_MS // frame_count, loop=0,
        quality=75, method=2, background=(0, 0, 0, 0),
    )  # fmt: skip
    atomic_write(target, buffer.getvalue())
