"""One picture to one closed, textured mesh: an inflated preview, or a relief card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .atlas import BACKS, JPEG_QUALITY, make_atlas
from .depth import inflate
from .glb import write_glb
from .shading import flatness, light_on, relief
from .sheet import Grid, Sheet, make_grid, make_sheet
from .solid import make_solid
from .subject import Subject, find_subject, whole_picture
from .wrap import Wrap, unmoved, wrapped

Floats = NDArray[np.float64]
Stage = Callable[[float, str], None]

CELLS = {"low": 96, "medium": 192, "high": 320}
"""Cells of the grid along the subject's longer side."""
FEWEST_CELLS = 4
SHAPES = ("object", "relief card")
RELIEF = 0.1
"""How far light and dark stand out from the front, as a share of its depth."""
CARD, CARD_RELIEF = 0.02, 0.06
"""A relief card's half thickness and its greatest relief, as shares of its longer side."""


def preview(image: Image.Image, options: Mapping[str, Any], face_limit: int | None, stage: Stage) -> bytes:
    """Return the GLB of `image` (upright, RGB or RGBA), of at most `face_limit` faces.

    `options` has `detail` (of CELLS), `thickness` and `relief` (factors), `back` (of BACKS) and `shape` (of SHAPES);
    each may be missing. `stage` hears how far the work is, 0 to 1, and what is done next.
    Raises GenerationFailed with code `image_too_small`, `no_subject` or `no_outline`.
    """
    as_card = options.get("shape") == "relief card"
    stage(0.0, "looking at the picture" if as_card else "finding the subject")
    subject = whole_picture(image) if as_card else find_subject(image)
    stage(0.4, "shaping")
    grid, sheet = _fit(subject, CELLS[options.get("detail", "medium")], face_limit)
    thickness, relieved = float(options.get("thickness", 1.0)), float(options.get("relief", 1.0))
    front, back, wrap = (_card if as_card else _inflated)(subject, grid, thickness, relieved)
    stage(0.7, "texturing")
    atlas = make_atlas(subject, options.get("back", next(iter(BACKS))), wrap, grid.step)
    solid = make_solid(sheet, front, back, grid.step, atlas)
    return write_glb(solid, atlas.image, "relief card" if as_card else "inflated preview", JPEG_QUALITY)


def _fit(subject: Subject, cells: int, face_limit: int | None) -> tuple[Grid, Sheet]:
    """Return the finest grid of at most `cells` whose body has at most `face_limit` faces."""
    while True:
        grid = make_grid(subject.alpha, cells)
        sheet = make_sheet(grid)
        faces = sheet.solid_faces
        if face_limit is None or faces <= face_limit or cells <= FEWEST_CELLS:
            return grid, sheet
        cells = max(FEWEST_CELLS, min(cells - 1, int(cells * (face_limit / faces) ** 0.5)))


def _inflated(subject: Subject, grid: Grid, thickness: float, relieved: float) -> tuple[Floats, Floats, Wrap]:
    """Return the front and back of a body round all over, with what light and dark tell on its front."""
    depth = inflate(grid, flatness(subject, grid))
    stands_out = 1 + RELIEF * relieved * relief(subject, grid, depth)
    return depth * thickness * stands_out, -depth * thickness, wrapped(grid, depth)


def _card(subject: Subject, grid: Grid, thickness: float, relieved: float) -> tuple[Floats, Floats, Wrap]:
    """Return the front of a card in relief, bright parts raised, and its flat back."""
    longest = max(grid.level.shape) - 1
    smooth = ndimage.gaussian_filter(light_on(subject, grid), (longest + 1) / 120, mode="nearest")
    span = float(np.ptp(smooth))
    raised = (smooth - smooth.min()) / span if span > 1 else np.zeros_like(smooth)
    front = longest * (CARD + CARD_RELIEF * thickness * relieved * raised.ravel())
    return front, np.full(front.shape, -CARD * longest), unmoved(grid)
