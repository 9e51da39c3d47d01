"""The embedded engine: how the back is painted, which the picture does not show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from image2model.generators.local.atlas import PADDING
from image2model.generators.local.backs import is_seen_from_the_side
from tests.support.local_shapes import SIDE, cut_out, disc, load, make, shaded


def off_the_middle(**options: object) -> tuple[np.ndarray, np.ndarray]:
    """Angle (n,) of points on a ball's back from its middle, and distance, up to 1, of their texture from there."""
    mesh = load(make(shaded(disc()), detail="medium", **options))
    back = (mesh.visual.uv[:, 0] > 0.5) & (mesh.vertices[:, 2] <= 0)
    at = mesh.visual.uv[back] * mesh.visual.material.baseColorTexture.size
    off = np.linalg.norm(at - (at.min(axis=0) + at.max(axis=0)) / 2, axis=1)
    return np.arccos((-2 * mesh.vertices[back, 2]).clip(0, 1)), off / off.max()


def test_soft_colours_lie_evenly_over_the_back() -> None:
    """On a ball's back the texture keeps its distances from the middle: none of it is drawn out at the rim."""
    angle, off = off_the_middle()
    assert off == pytest.approx(angle * 2 / np.pi, abs=0.06)


def test_the_mirrored_photo_is_seen_undistorted_from_behind() -> None:
    """The photograph on the back lies as it is seen from straight behind."""
    angle, off = off_the_middle(back="mirrored photo")
    assert off == pytest.approx(np.sin(angle), abs=0.08)


def test_back_continues_the_rim_without_a_second_face() -> None:
    """A striped ball's stripes go on over its rim, and its middle is soft, also behind a bright spot."""
    picture = np.array(shaded(disc()))
    picture[::6, :, :3] = picture[1::6, :, :3] = picture[2::6, :, :3] = 20
    picture[80:120, 80:120, :3] = 255
    mesh = load(make(Image.fromarray(picture), detail="medium"))
    back = (mesh.visual.uv[:, 0] > 0.5) & (mesh.vertices[:, 2] <= 0)
    light, off = mesh.visual.to_color().vertex_colors[:, 0].astype(float), np.hypot(*mesh.vertices[:, :2].T)
    assert light[back & (off < 0.3)].std() < 10
    assert light[back & (off > 0.47)].std() > 30


def painted(outline: Image.Image, above: tuple[int, ...], below: tuple[int, ...]) -> np.ndarray:
    """An outline in two colours, one above the other, with a white face in its middle."""
    pixels = np.array(outline)
    pixels[:, :, :3] = np.where(np.arange(SIDE)[:, None, None] < SIDE // 2, above, below)
    pixels[85:115, 85:115, :3] = 255
    return np.array(shaded(Image.fromarray(pixels)))


def back_of(picture: np.ndarray, **options: Any) -> np.ndarray:
    """The back half of the texture that a picture gives."""
    texture = np.asarray(load(make(Image.fromarray(picture), **options)).visual.material.baseColorTexture)
    return texture[PADDING:-PADDING, texture.shape[1] // 2 + PADDING : -PADDING].astype(int)


def test_back_of_a_frontal_subject_has_the_colours_of_its_outline() -> None:
    """Behind a disc blue above and red below with a white face it is blue above and red below, and there is no face."""
    back = back_of(painted(disc(), (60, 80, 200), (200, 60, 50)))
    height, width = back.shape[:2]
    above, below = back[height // 3, width // 2], back[2 * height // 3, width // 2]
    assert above[2] > 2 * above[0]
    assert below[0] > 2 * below[2]
    assert back[height // 2 - 20 : height // 2 + 20, width // 2].min(axis=1).max() < 120


def test_back_of_a_side_view_mirrors_the_photograph() -> None:
    """A lopsided outline wider than high shows behind what it shows in front; a round one does so only on demand."""
    boot = cut_out(("rectangle", (20, 20, 70, 150)), ("rectangle", (20, 90, 185, 150)))
    picture = painted(boot, (60, 80, 200), (200, 60, 50))
    assert (back_of(picture) == back_of(picture, back="mirrored photo")).all()
    assert (back_of(picture) != back_of(picture, back="soft colours")).any()
    picture = painted(disc(), (60, 80, 200), (200, 60, 50))
    assert (back_of(picture) == back_of(picture, back="soft colours")).all()


def test_a_whole_leaning_outline_is_seen_from_its_side_and_a_cut_one_is_not() -> None:
    """A whole leaning outline counts as seen from its side, and one cut by the frame does not."""
    leaning = np.array(cut_out(("rectangle", (85, 10, 115, 190))).rotate(-40).getchannel("A"), np.float32) / 255
    assert is_seen_from_the_side(leaning)
    assert not is_seen_from_the_side(leaning[40:])
