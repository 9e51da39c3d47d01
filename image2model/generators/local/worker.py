"""Functions that run in a worker process, which alone loads the engine; stages are reported in a small file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import segment
from .inspection import Inspection
from .segment import WEIGHTS

__all__ = ["LIBRARIES", "WEIGHTS", "cut_out", "generate", "inspect", "read_progress", "warm_up"]

LIBRARIES = ("scipy.ndimage",)
"""Modules that the engine imports, for workers to share."""


def warm_up() -> None:
    """Load the engine and its network, so that a worker's first picture is as quick as its second."""
    from PIL import Image

    from .engine import generate_preview

    generate_preview(Image.new("RGBA", (64, 64)), {"shape": "relief card"}, 500, lambda done, stage: None)
    segment.inference_session()


def generate(image: Path, glb: Path, progress_file: Path, options: Mapping[str, Any], face_limit: int | None) -> None:
    """Write the preview of `image` to `glb`, whole or not at all, and each stage to `progress_file`."""
    from PIL import Image

    from .engine import generate_preview

    with Image.open(image) as picture:
        data = generate_preview(
            picture, options, face_limit, lambda done, stage: _write_at_once(progress_file, f"{done} {stage}")
        )
    _write_at_once(glb, data)


def inspect(picture: bytes) -> Inspection:
    """See `cutout.inspect`."""
    from . import cutout

    return cutout.inspect(picture)


def cut_out(image: Path, destination: Path) -> None:
    """See `cutout.cut_out`."""
    from . import cutout

    cutout.cut_out(image, destination)


def read_progress(progress_file: Path) -> tuple[float, str] | None:
    """Return the progress, 0 to 1, and the present stage; None before the start."""
    try:
        done, stage = progress_file.read_text().split(" ", 1)
    except FileNotFoundError:
        return None
    return float(done), stage


def _write_at_once(path: Path, data: str | bytes) -> None:
    """Write `data` to `path` in one step."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data.encode() if isinstance(data, str) else data)
    part.replace(path)
