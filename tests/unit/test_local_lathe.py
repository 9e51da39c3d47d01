"""The embedded engine: what is turned as on a lathe."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from image2model.generators.local.lathe import find_turned
from tests.support.local_shapes import assert_sound, cut_out, disc, load, make, shaded

CLAY, LID = (200, 90, 60, 255), (240, 240, 220, 255)


def vessel(foot: float, handle: bool = False, top: float | None = None) -> Image.Image:
    """A cup as wide as high, with a lid, seen a little from above: half an ellipse as high as `foot` at both ends.

    From close by the one at the top is only as high as `top`.
    """
    image = Image.new("RGBA", (400, 400))
    pen = ImageDraw.Draw(image)
    if handle:
        pen.ellipse((210, 140, 340, 280), outline=CLAY, width=20)
    pen.rectangle((60, 100, 260, 300), fill=CLAY)
    for middle, half, colour in ((300, foot, CLAY), (100, foot if top is None else top, LID)):
        pen.ellipse((60, middle - half, 260, middle + half), fill=colour)
    return shaded(image)


@pytest.mark.parametrize("foot", [10, 30])
@pytest.mark.parametrize("handle", [False, True])
def test_a_cup_is_turned_as_on_a_lathe(foot: float, handle: bool) -> None:
    """A cup on a round foot is as deep as it is wide at every height, and its handle thin."""
    mesh = assert_sound(make(vessel(foot, handle), detail="medium", relief=0))
    scale = mesh.extents[0] / (280 if handle else 200)
    for height in (-0.25, 0, 0.25):
        cut = mesh.section([0, 1, 0], [0, height, 0]).vertices
        assert np.ptp(cut[:, 2]) == pytest.approx(200 * scale, rel=0.04)
        beside = cut[cut[:, 0] > mesh.bounds[0, 0] + 210 * scale]
        assert not len(beside) or np.ptp(beside[:, 2]) < 40 * scale


@pytest.mark.parametrize("foot", [10, 30, 55])
@pytest.mark.parametrize("thickness", [1.0, 0.5])
def test_a_cup_ends_in_level_discs(foot: float, thickness: float) -> None:
    """Seen from above, a cup stands upright, as high as it really is, between level discs as large as it is thick."""
    mesh = assert_sound(make(vessel(foot), detail="medium", relief=0, thickness=thickness))
    radius = mesh.extents[0] / 2
    height = 2 * radius / np.cos(np.arcsin(foot / 100))
    assert mesh.extents[1] == pytest.approx(height, rel=0.02)
    for end, up in zip(mesh.bounds[:, 1], (-1, 1), strict=True):
        level = (mesh.face_normals[:, 1] * up > 0.99) & (
            np.abs(mesh.triangles[..., 1] - end).max(axis=1) < 0.01 * height
        )
        assert mesh.area_faces[level].sum() == pytest.approx(np.pi * radius**2 * thickness, rel=0.05)


@pytest.mark.parametrize("top", [0, 8, 20])
def test_a_cup_seen_from_close_by_has_a_level_top(top: float) -> None:
    """Where the top is seen from less far above than the foot, it is a level disc all the same, nothing above it."""
    mesh = assert_sound(make(vessel(40, top=top), detail="medium", relief=0))
    end = mesh.bounds[1, 1]
    level = (mesh.face_normals[:, 1] > 0.99) & (mesh.triangles[..., 1].min(axis=1) > end - 0.02)
    assert mesh.area_faces[level].sum() == pytest.approx(np.pi * (mesh.extents[0] / 2) ** 2, rel=0.05)


def test_the_back_of_a_cup_shows_its_wall() -> None:
    """The wall behind the lid, through which lines of sight enter, is not painted with the lid."""
    mesh = load(make(vessel(30), detail="medium"))
    wall = (mesh.vertices[:, 2] < -0.05) & (np.abs(mesh.vertices[:, 1]) < 0.95 * mesh.bounds[1, 1])
    assert mesh.visual.to_color().vertex_colors[wall, 2].max() < 100


ON_NO_LATHE = {
    "box": cut_out(("rectangle", (60, 40, 140, 160))),
    "box on its corner": cut_out(("rectangle", (60, 60, 140, 140))).rotate(45),
    "ball": disc(),
    "hammer": cut_out(
        ("rectangle", (96, 40, 104, 190)), ("ellipse", (96, 187, 104, 193)), ("rectangle", (60, 20, 140, 60))
    ),
    "figure on two feet": cut_out(
        ("ellipse", (60, 20, 140, 120)), ("rectangle", (70, 100, 90, 180)), ("rectangle", (110, 100, 130, 180))
    ),
    "lopsided": cut_out(("rectangle", (60, 20, 100, 150)), ("ellipse", (60, 110, 180, 170))),
    "cut by the frame": cut_out(("rectangle", (60, 40, 140, 220))),
}


@pytest.mark.parametrize("name", ON_NO_LATHE)
def test_subject_without_a_round_foot_is_not_turned(name: str) -> None:
    """Straight, pointed, narrow, parted and lopsided ends are no round foot seen from above, and a ball has no foot."""
    assert find_turned(np.array(ON_NO_LATHE[name].getchannel("A"), np.float32) / 255) is None
