"""The embedded engine: boxes, houses and what else has one face all along."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image, ImageDraw

from image2model.generators.local.extrusion import find_extrusion
from image2model.generators.local.subject import find_subject
from tests.support.local_shapes import assert_sound, cut_out, disc, front_mask, make, shaded

FACES = {
    "box": [(-1, 0), (1, 0), (1, 1.2), (-1, 1.2)],
    "house": [(-1, 0), (1, 0), (1, 1), (0, 1.6), (-1, 1)],
}
SIZE, FINER = 400, 4
"""Side of the pictures in pixels, and how many times as large they are drawn."""


def seen_from_above(face: str, depth: float, azimuth: float, elevation: float) -> Image.Image:
    """Draw a face of FACES, extruded by `depth`, from afar and from above, each of its sides in its own light."""
    around, above = np.radians(azimuth), np.radians(elevation)
    front = np.array(FACES[face])

    def seen(z: float) -> np.ndarray:
        """Pixels of the face's corners at `z`, which grows towards the camera."""
        across, forward = front[:, 0] * np.cos(around) - z * np.sin(around), front[:, 0] * np.sin(around)
        up = front[:, 1] * np.cos(above) - (forward + z * np.cos(around)) * np.sin(above)
        return FINER * np.column_stack([SIZE / 2 + 80 * across, 0.72 * SIZE - 80 * up])

    near, far = seen(depth / 2), seen(-depth / 2)
    image = Image.new("RGBA", (FINER * SIZE, FINER * SIZE))
    pen = ImageDraw.Draw(image)
    for at in range(len(front)):
        after = (at + 1) % len(front)
        along, away = near[after] - near[at], far[at] - near[at]
        if along[0] * away[1] - along[1] * away[0] > 0:  # the side faces the camera
            lit = 90 + 25 * at
            side = [near[at], near[after], far[after], far[at]]
            pen.polygon([tuple(corner) for corner in side], fill=(lit, lit - 10, lit - 20, 255))
    pen.polygon([tuple(corner) for corner in near], fill=(230, 220, 200, 255))
    return image.reduce(FINER)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(("azimuth", "elevation"), [(30, 20), (-50, 30)])
def test_planes_are_as_long_and_as_deep_as_the_things(face: str, azimuth: float, elevation: float) -> None:
    """A box and a house seen in three quarters from above have the volume of the real ones, and their outline."""
    image = seen_from_above(face, 1.5, azimuth, elevation)
    mesh = assert_sound(make(image, base="as it is"))
    outline = np.asarray(image.getchannel("A").crop(image.getbbox())) > 128
    scale = mesh.extents[:2].max() / (max(outline.shape) / 80)
    x, y = np.array(FACES[face]).T
    area = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    assert mesh.volume / scale**3 == pytest.approx(1.5 * area, rel=0.05)
    assert front_mask(mesh).sum() / (256 / max(outline.shape)) ** 2 == pytest.approx(outline.sum(), rel=0.03)


@pytest.mark.parametrize(
    ("base", "azimuth", "elevation", "tilt"), [("flat", 30, 20, 0), ("flat", -50, 30, 0), ("as it is", 30, 20, 20)]
)
def test_a_box_has_six_planes(base: str, azimuth: float, elevation: float, tilt: float) -> None:
    """Nearly all of a box is six planes at right angles, upright unless it is left as seen, and nothing is beyond."""
    mesh = assert_sound(make(seen_from_above("box", 1.5, azimuth, elevation), detail="medium", base=base))
    a, e = np.radians([azimuth, tilt])
    axes = np.array(
        [
            [np.cos(a), -np.sin(a) * np.sin(e), np.sin(a) * np.cos(e)],
            [0, np.cos(e), np.sin(e)],
            [-np.sin(a), -np.cos(a) * np.sin(e), np.cos(a) * np.cos(e)],
        ]
    )
    along = np.abs(mesh.face_normals @ axes.T).max(axis=1)
    assert mesh.area_faces[along > np.cos(np.radians(4))].sum() > 0.85 * mesh.area
    for outwards in (*axes, *-axes):
        plane = np.median(mesh.triangles_center[mesh.face_normals @ outwards > 0.999] @ outwards)
        assert (mesh.vertices @ outwards).max() - plane < 0.008


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("thickness", [1.0, 0.5])
def test_planes_stand_on_a_flat_base(face: str, thickness: float) -> None:
    """The underside is one plane on the ground as large as the thing's, scaled in depth by the thickness."""
    mesh = assert_sound(make(seen_from_above(face, 1.5, 30, 20), thickness=thickness))
    unit_length = mesh.extents[0] / (2 * np.cos(np.radians(30)) + 1.5 * np.sin(np.radians(30)))
    on_ground = np.ptp(mesh.triangles[..., 1], axis=1) + mesh.triangles[..., 1].min(axis=1) - mesh.bounds[0, 1]
    base = (on_ground < 0.001) & (mesh.face_normals[:, 1] < -0.99)
    assert mesh.area_faces[base].sum() / unit_length**2 == pytest.approx(2 * 1.5 * thickness, rel=0.08)


def test_what_stands_looks_from_above_as_in_the_picture() -> None:
    """A box put upright has, seen from as far above as in the picture, the picture's outline."""
    image = seen_from_above("box", 1.5, -50, 30)
    mesh = assert_sound(make(image))
    mesh.apply_transform(trimesh.transformations.rotation_matrix(np.radians(30), [1, 0, 0]))
    outline = np.zeros((256, 256), bool)
    wanted = image.getchannel("A").crop(image.getbbox())
    wanted = wanted.resize([round(side * 256 / max(wanted.size)) for side in wanted.size])
    outline[-wanted.height :, : wanted.width] = np.asarray(wanted) > 128
    shown = front_mask(mesh)
    assert (shown & outline).sum() / (shown | outline).sum() > 0.97


def in_one_light(image: Image.Image) -> Image.Image:
    """The outline of `image`, all of one grey."""
    grey = Image.new("RGBA", image.size, (120, 110, 100, 255))
    grey.putalpha(image.getchannel("A"))
    return grey


NOT_EXTRUDED = {
    "ball": shaded(disc()),
    "gable": shaded(cut_out(("rectangle", (50, 100, 150, 180)))),
    "box from the front": cut_out(("rectangle", (40, 60, 160, 140))),
    "box on its corner": shaded(cut_out(("rectangle", (60, 60, 140, 140))).rotate(45)),
    "box cut by the frame": seen_from_above("box", 1.5, 30, 20).crop((0, 0, SIZE, 0.6 * SIZE)),
    "outline alone": in_one_light(seen_from_above("box", 1.5, 30, 20)),
}


@pytest.mark.parametrize("name", NOT_EXTRUDED)
def test_what_may_be_round_gets_no_planes(name: str) -> None:
    """A picture without three directions of edges, or without edges between light and dark, is no extrusion."""
    assert find_extrusion(find_subject(NOT_EXTRUDED[name])) is None
