"""One picture to one closed, textured mesh: an inflated preview, or a relief card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .atlas import JPEG_QUALITY, make_atlas
from .backs import AUTOMATIC
from .depth import boxiness, inflate
from .extrusion import Extrusion, extruded_heights, find_extrusion
from .failure_messages import NO_OUTLINE
from .flat_art import is_flat_art, slab
from .flat_mesh import Grid, sample_grid, triangulate
from .glb import write_glb
from .lathe import Turned, find_turned, turned_surface
from .shading import brightness_on_grid, flatness, relief
from .solid import close_mesh
from .standing import upright_pose, with_flat_base
from .subject import Subject, find_subject, whole_image
from .texture_mapping import TextureMapping, even_mapping, identity_mapping, mirrored_mapping

Floats = NDArray[np.float64]
ReportStage = Callable[[float, str], None]

GRID_CELLS = {"low": 96, "medium": 192, "high": 320}
"""Grid cells along the subject's longer side."""
MIN_CELLS = 4
SHAPES = ("object", "relief card")
BASES = ("flat", "as it is")
"""The body's bottom: made such that it stands, where little needs to be done, or as it is."""
RELIEF_SHARE = 0.1
"""Height of light and dark on the front, as a share of its depth."""
CARD_THICKNESS, CARD_RELIEF = 0.02, 0.06
"""A relief card's half thickness and its greatest relief, as shares of its longer side."""


@dataclass(frozen=True, slots=True)
class Body:
    """Heights, in cells, of a body over its grid, and the mapping of its back's texture."""

    front: Floats
    """(n,): at the inside points, as is `back`."""
    back: Floats
    rim: Floats
    """(rows, columns): where the outline is at each point."""
    mapping: TextureMapping
    pose: Floats | None = None
    """(3, 3): what brings the body from how it is seen to how it stands on the ground; None where it is left."""


def generate_preview(
    image: Image.Image, options: Mapping[str, Any], face_limit: int | None, report_stage: ReportStage
) -> bytes:
    """Return the GLB of `image` (upright, RGB or RGBA), of at most `face_limit` faces.

    `options` has `detail` (of GRID_CELLS), `thickness` and `relief` (factors), `back` (AUTOMATIC or of BACK_STYLES),
    `shape` (of SHAPES) and `base` (of BASES); each may be missing. `report_stage` gets the fraction done, 0 to 1, and
    the next stage. Raises GenerationFailed with code `image_too_small`, `no_subject` or `no_outline`.
    """
    as_card = options.get("shape") == "relief card"
    report_stage(0.0, "looking at the picture" if as_card else "finding the subject")
    subject = whole_image(image) if as_card else find_subject(image)
    report_stage(0.4, "shaping")
    grid = _fit_face_limit(subject, GRID_CELLS[options.get("detail", "medium")], face_limit)
    thickness, relief_factor = float(options.get("thickness", 1.0)), float(options.get("relief", 1.0))
    if as_card:
        body = _relief_card(subject, grid, thickness, relief_factor)
    else:
        grid, body = _object(subject, grid, thickness, relief_factor, options.get("base") != "as it is")
    report_stage(0.7, "texturing")
    atlas = make_atlas(subject, options.get("back", AUTOMATIC), body.mapping, grid.cell_size)
    flat = triangulate(grid)
    rim = ndimage.map_coordinates(body.rim, flat.points[flat.inner_count :, ::-1].T, order=1)
    solid = close_mesh(flat, body.front, body.back, rim, grid.cell_size, atlas, body.pose)
    return write_glb(solid, atlas.image, "relief card" if as_card else "inflated preview", JPEG_QUALITY)


def _fit_face_limit(subject: Subject, cells: int, face_limit: int | None) -> Grid:
    """Return the finest grid of at most `cells` whose body has at most `face_limit` faces."""
    while True:
        grid = sample_grid(subject.alpha, cells)
        if face_limit is None or cells <= MIN_CELLS:
            return grid
        faces = triangulate(grid).closed_face_count
        if faces <= face_limit:
            return grid
        cells = max(MIN_CELLS, min(cells - 1, int(cells * (face_limit / faces) ** 0.5)))


def _object(subject: Subject, grid: Grid, thickness: float, relief_factor: float, flat_base: bool) -> tuple[Grid, Body]:
    """Return the body of the picture's subject and its grid: of `grid` what is left above a flat base.

    A drawing in flat colours is a slab, a cup or a vase turned, a box or a house seen in three quarters has planes; all
    else is inflated. Raises GenerationFailed with code `no_outline` where it has none.
    """
    if grid.inside.all():
        raise NO_OUTLINE.error()
    as_slab = is_flat_art(subject) and not boxiness(grid.inside)
    if not as_slab:
        if turned := find_turned(subject.alpha):
            body = _turned_body(subject, grid, turned, relief_factor)
            return grid, _posed(body, turned.elevation, thickness, flat_base)
        if extrusion := find_extrusion(subject):
            return grid, _posed(_extruded_body(grid, extrusion), extrusion.elevation, thickness, flat_base)
    depth = slab(grid.inside) if as_slab else inflate(grid, flatness(subject, grid))
    mapping = identity_mapping(grid) if as_slab else even_mapping(grid, depth)
    front = depth * thickness * (1 + RELIEF_SHARE * relief_factor * relief(subject, grid, depth))
    body = Body(front, -depth * thickness, np.zeros(grid.level.shape), mapping)
    return _on_flat_base(grid, body) if flat_base else (grid, body)


def _extruded_body(grid: Grid, extrusion: Extrusion) -> Body:
    """Return a body of planes, without a relief: its light and dark are those of its faces."""
    front, back, rim = extruded_heights(grid, extrusion)
    return Body(front, back, rim, even_mapping(grid, (front - back) / 2))


def _turned_body(subject: Subject, grid: Grid, turned: Turned, relief_factor: float) -> Body:
    """Return a body as from a lathe, seen from above; its ends are flat where they look so."""
    inside = grid.inside
    surface = turned_surface(grid, turned, inflate(grid, flatness(subject, grid)))
    front, back = (surface.heights(side)[inside] for side in (surface.front, surface.back))
    raised = front + (front - back) / 2 * RELIEF_SHARE * relief_factor * relief(subject, grid, front)
    rim = surface.heights(surface.outline)
    centre = (front.max() + back.min()) / 2
    return Body(raised - centre, back - centre, rim - centre, mirrored_mapping(grid, surface))


def _posed(body: Body, elevation: float, thickness: float, flat_base: bool) -> Body:
    """Return a body seen from `elevation` above: upright on a flat base, or tilted as it is seen."""
    if flat_base:
        return replace(body, pose=upright_pose(elevation, thickness))
    return replace(body, front=thickness * body.front, back=thickness * body.back, rim=thickness * body.rim)


def _on_flat_base(grid: Grid, body: Body) -> tuple[Grid, Body]:
    """Return what is left of `grid` above a flat base, if one can be found, and the body over it."""
    grid, deeper = with_flat_base(grid, -body.back)
    kept = len(deeper)
    return grid, Body(
        body.front[:kept] * deeper,
        body.back[:kept] * deeper,
        body.rim[: len(grid.level)],
        replace(body.mapping, offsets=body.mapping.offsets[:kept]),
    )


def _relief_card(subject: Subject, grid: Grid, thickness: float, relief_factor: float) -> Body:
    """Return a card, on its front bright parts raised, its back flat."""
    longest = max(grid.level.shape) - 1
    smooth = ndimage.gaussian_filter(brightness_on_grid(subject, grid), (longest + 1) / 120, mode="nearest")
    span = float(np.ptp(smooth))
    raised = (smooth - smooth.min()) / span if span > 1 else np.zeros_like(smooth)
    front = longest * (CARD_THICKNESS + CARD_RELIEF * thickness * relief_factor * raised.ravel())
    back = np.full(front.shape, -CARD_THICKNESS * longest)
    return Body(front, back, np.zeros(grid.level.shape), identity_mapping(grid))
