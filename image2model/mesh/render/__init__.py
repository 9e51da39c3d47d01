"""Software rendering of a mesh; what draws is loaded at the first call, in a worker process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .render_modes import RenderMode


def write_turntable(glb: Path, target: Path) -> None:
    """See `turntable.write_turntable`."""
    from . import turntable

    turntable.write_turntable(glb, target)


def write_render_mode(glb: Path, target: Path, mode: RenderMode) -> None:
    """See `render_modes.write_render_mode`."""
    from . import render_modes

    render_modes.write_render_mode(glb, target, mode)
