"""The embedded engine: what comes out for pictures of every kind."""

from __future__ import annotations

import json
import struct
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image, ImageDraw
from skimage import data

from image2model.errors import GenerationFailed
from image2model.generators.local import SPEC
from image2model.generators.local.atlas import PADDING, make_atlas
from image2model.generators.local.backs import AUTOMATIC, BACK_STYLES
from image2model.generators.local.engine import BASES, GRID_CELLS, SHAPES, generate_preview
from image2model.generators.local.subject import Subject, find_subject
from image2model.generators.local.texture_mapping import TextureMapping
from tests.support.local_shapes import SIDE, assert_sound, body, cut_out, disc, front_mask, load, make, shaded

SHAPES_WITH_HOLES = {
    "disc": (disc(), 0),
    "ring": (cut_out(("ellipse", (20, 20, 180, 180)), ("-ellipse", (60, 60, 140, 140))), 1),
    "pretzel": (
        cut_out(("ellipse", (10, 60, 190, 150)), ("-ellipse", (30, 85, 80, 125)), ("-ellipse", (110, 85, 160, 125))),
        2,
    ),
    "thin line": (cut_out(("line", (10, 15, 190, 170))), 0),
    "two discs by a hair": (cut_out(("ellipse", (5, 50, 100, 145)), ("ellipse", (101, 50, 196, 145))), 0),
    "star of lines": (cut_out(*(("line", (100, 100, x, y)) for x in (10, 190) for y in (10, 100, 190))), 0),
}
STILL = TextureMapping(np.zeros((0, 2)), np.ones((2, 2)))
CUT_BY_FRAME = {
    "bottom": ("ellipse", (40, 60, 160, 260)),
    "corner": ("ellipse", (90, 90, 300, 300)),
    "left and right": ("rectangle", (-10, 60, 210, 120)),
    "three sides": ("rectangle", (-10, 80, 210, 210)),
    "touching": ("ellipse", (0, 40, 120, 160)),
}


def photograph(name: str) -> Image.Image:
    """A picture that scikit-image brings along."""
    return Image.fromarray(getattr(data, name)()).convert("RGB")


@pytest.mark.parametrize("name", SHAPES_WITH_HOLES)
@pytest.mark.parametrize("detail", ["low", "medium"])
def test_outline_of_any_kind_becomes_one_closed_body(name: str, detail: str) -> None:
    """Every outline gives one closed body with as many handles as the outline has holes."""
    image, holes = SHAPES_WITH_HOLES[name]
    assert assert_sound(make(image, detail=detail)).euler_number == 2 - 2 * holes


@pytest.mark.parametrize("name", CUT_BY_FRAME)
def test_subject_cut_by_the_frame_gets_a_flat_wall(name: str) -> None:
    """A subject cut by the frame ends in flat faces along the frame."""
    mesh = assert_sound(make(cut_out(CUT_BY_FRAME[name])))
    sideways = np.abs(mesh.face_normals[:, :2]).max(axis=1) > 0.9999
    assert mesh.area_faces[sideways].sum() > 0.01 * mesh.area


def test_frame_wall_has_no_stripes() -> None:
    """The stripes of a subject cut by the frame are not stretched over the flat wall."""
    image = cut_out(("ellipse", (30, 60, 170, 320)))
    pixels = np.array(image)
    pixels[:, ::8, :3] = pixels[:, 1::8, :3] = pixels[:, 2::8, :3] = 0
    mesh = load(make(Image.fromarray(pixels), detail="medium"))
    below = mesh.face_normals[:, 1] < -0.9999
    colours = mesh.visual.to_color().vertex_colors[:, 0].astype(float)
    wall, front = colours[mesh.faces[below]], colours[mesh.faces[mesh.face_normals[:, 2] > 0.5]]
    assert wall.std() < 0.25 * front.std()


@pytest.mark.parametrize("seed", range(12))
def test_random_blots_are_closed(seed: int) -> None:
    """Blots of random shape, full of bridges a pixel wide, give sound bodies at a coarse grid too."""
    noise = np.random.default_rng(seed).normal(size=(40, 40))
    alpha = Image.fromarray((np.where(noise > -0.3, 255, 0)).astype(np.uint8)).resize((160, 160), Image.BICUBIC)
    image = Image.new("RGBA", alpha.size, (90, 120, 200, 255))
    image.putalpha(alpha)
    assert_sound(make(image, face_limit=3000))


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket", "horse"])
def test_photographs_give_sound_bodies(name: str) -> None:
    """Real photographs, colour and black and white, cut by the frame or not, give sound bodies."""
    assert_sound(make(photograph(name)))


def test_photograph_from_gradio_gives_a_sound_body() -> None:
    """A JPEG that is not square gives a sound body."""
    package = find_spec("gradio")
    assert package is not None
    assert package.origin is not None
    picture = Path(package.origin).with_name("media_assets") / "images" / "tower.jpg"
    assert_sound(make(Image.open(picture).convert("RGB")))


def test_a_disc_becomes_a_ball_and_a_strip_a_rod() -> None:
    """A shaded disc is inflated to a ball, a long strip to a rod as thick as it is wide."""
    assert assert_sound(make(shaded(disc()), detail="medium")).extents == pytest.approx([1, 1, 1], abs=0.03)
    strip = shaded(cut_out(("rectangle", (85, 10, 115, 190))))
    rod = assert_sound(make(strip, detail="medium"))
    assert rod.extents[2] / rod.extents[0] == pytest.approx(1, abs=0.12)


def lit_faces() -> Image.Image:
    """A roof and a wall of one grey in two lights, as flat faces of a lit thing look."""
    image = Image.new("RGBA", (SIDE, SIDE))
    pen = ImageDraw.Draw(image)
    pen.polygon([(100, 20), (20, 90), (180, 90)], (190, 170, 150, 255))
    pen.polygon([(40, 90), (160, 90), (160, 180), (40, 180)], (124, 111, 98, 255))
    return image


def silhouette(colour: tuple[int, int, int]) -> Image.Image:
    """A disc of one colour."""
    image = Image.new("RGBA", (SIDE, SIDE), colour)
    image.putalpha(disc().getchannel("A"))
    return image


FLAT_ART = {
    "two colours": cut_out(("ellipse", (20, 20, 180, 180)), ("rectangle", (70, 70, 130, 130))),
    "one strong colour": disc(),
    "black": silhouette((0, 0, 0)),
}


@pytest.mark.parametrize("name", FLAT_ART)
def test_flat_art_becomes_a_slab(name: str) -> None:
    """A drawing in flat colours is an eighth as deep as it is wide, its back flat and its sides steep."""
    mesh = assert_sound(make(FLAT_ART[name], detail="medium", relief=0))
    assert mesh.extents[2] == pytest.approx(0.12, abs=0.01)
    assert mesh.volume > 0.93 * mesh.extents[2] * np.pi / 4


@pytest.mark.parametrize("image", [lit_faces(), silhouette((150, 140, 130))], ids=["lit faces", "dull"])
def test_evenly_lit_photograph_is_not_flat_art(image: Image.Image) -> None:
    """Brighter and darker faces of one hue, or one dull colour, may be a body's: it is deep, less than a ball."""
    assert 0.3 < body(make(image)).extents[2] < 0.8


def stands(mesh: trimesh.Trimesh) -> bool:
    """True if it bears a tilt of almost four degrees to any side: its weight still lies over its base."""
    bottom = mesh.vertices[mesh.vertices[:, 1] < mesh.bounds[0, 1] + 1e-6]
    reach = 0.9 * (mesh.center_mass[1] - mesh.bounds[0, 1]) * np.tan(np.radians(4))
    ends = (bottom.min(axis=0) < mesh.center_mass - reach) & (bottom.max(axis=0) > mesh.center_mass + reach)
    return bool(ends[0] and ends[2])


@pytest.mark.parametrize("picture", [shaded(disc()), FLAT_ART["two colours"]], ids=["ball", "slab"])
def test_nearly_stable_body_gets_a_flat_base(picture: Image.Image) -> None:
    """A ball and a round slab lose a little of their bottom and stand on it; by choice they stay as they are."""
    round_, mesh = (assert_sound(make(picture, detail="medium", base=base)) for base in ("as it is", "flat"))
    bottom = mesh.vertices[mesh.vertices[:, 1] < mesh.bounds[0, 1] + 1e-6]
    assert len(mesh.vertices) < len(round_.vertices)
    assert np.ptp(bottom[:, 0]) > 0.1
    assert mesh.extents[1] > 0.92 * round_.extents[1]
    assert stands(mesh)


def test_body_with_thin_legs_gets_deeper_feet() -> None:
    """A body on two thin legs, which would fall forwards, gets deeper feet and stands; its front stays as it is."""
    legs = [("rectangle", (x, 100, x + 6, 180)) for x in (60, 134)]
    picture = shaded(cut_out(("ellipse", (40, 20, 160, 120)), *legs))
    thin, mesh = (assert_sound(make(picture, detail="medium", base=base)) for base in ("as it is", "flat"))
    assert not stands(thin)
    assert stands(mesh)
    covered = [np.flatnonzero(front_mask(body)[:-16]) for body in (thin, mesh)]
    assert len(np.setxor1d(*covered)) < 0.05 * len(covered[0])


def test_strongly_leaning_body_is_left_unchanged() -> None:
    """The bottom of a slanting strip is not cut off, since it would fall over anyway."""
    strip = shaded(cut_out(("rectangle", (85, 10, 115, 190)))).rotate(-40)
    assert make(strip) == make(strip, base="as it is")


def test_a_triangle_becomes_a_cone_that_stands() -> None:
    """An outline that mirrors about a line is about as thick as it is wide at every height, its foot included."""
    image = Image.new("RGBA", (200, 200))
    ImageDraw.Draw(image).polygon([(100, 20), (20, 180), (180, 180)], (200, 90, 60, 255))
    mesh = assert_sound(make(shaded(image), detail="medium"))
    for height, least in ((0.3, 0.9), (0.0, 0.9), (-0.3, 0.7)):
        across, _, deep = np.ptp(mesh.section([0, 1, 0], [0, height, 0]).bounds, axis=0)
        assert least < deep / across < 1.1


@pytest.mark.parametrize("turn", [0, 30])
def test_a_rectangle_becomes_boxier_than_a_disc(turn: int) -> None:
    """A rectangle, however it is turned, keeps more of its bounds' depth than an inflated pillow would."""
    picture = cut_out(("rectangle", (50, 60, 150, 140))).rotate(turn)
    mesh = assert_sound(make(picture, detail="medium"))
    across = mesh.area_faces @ np.abs(mesh.face_normals[:, 2]) / 2
    assert mesh.volume / (across * mesh.extents[2]) > 0.72


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_front_silhouette_is_the_subjects(name: str) -> None:
    """Seen from the front the body covers the subject and nothing else."""
    image = photograph(name)
    inside = find_subject(image).alpha > 0.5
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    tight = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    covered = front_mask(body(make(image, detail="medium")))
    height, width = (max(1, round(256 * side / max(tight.shape))) for side in tight.shape)
    wanted = np.zeros((256, 256), bool)
    wanted[256 - height :, :width] = np.asarray(Image.fromarray(tight).resize((width, height)))
    assert (covered & wanted).sum() / (covered | wanted).sum() > 0.97


def test_front_faces_z_with_y_up_and_the_photo_on_it() -> None:
    """The left of the picture is at -x, its top at +y, and the front half of the body shows it."""
    image = cut_out(("rectangle", (40, 20, 160, 180)))
    image.paste((0, 0, 255, 255), (40, 20, 70, 60))
    mesh = load(make(image, detail="medium"))
    texture = np.asarray(mesh.visual.material.baseColorTexture)
    at = (np.column_stack([mesh.visual.uv[:, 0], 1 - mesh.visual.uv[:, 1]]) * texture.shape[1::-1]).astype(int)
    blue = texture[at[:, 1], at[:, 0], 2] > 200
    front = mesh.vertices[:, 2] > 0.1
    middle = mesh.vertices[blue & front].mean(axis=0)
    assert middle[0] < -0.1
    assert middle[1] > 0.2


def test_normals_are_written_unit_and_outward() -> None:
    """The file's normals have length 1 and agree with the faces around them."""
    glb = make(photograph("coffee"))
    attributes, accessors, document = _document(glb)
    assert {"POSITION", "NORMAL", "TEXCOORD_0"} <= attributes.keys()
    mesh = load(glb)
    normals = mesh.vertex_normals[mesh.faces].mean(axis=1)
    assert np.linalg.norm(mesh.vertex_normals, axis=1) == pytest.approx(1, abs=1e-4)
    assert ((normals * mesh.face_normals).sum(axis=1) > 0).mean() > 0.98
    assert document["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0
    assert document["images"][0]["mimeType"] == "image/jpeg"
    assert len(accessors) == 4


def test_result_label_is_inflated_preview() -> None:
    """The file and the description say inflated preview, never reconstruction."""
    _, _, document = _document(make(disc()))
    assert document["meshes"][0]["name"] == "inflated preview"
    assert SPEC.result_is == "inflated preview"
    assert "reconstruct" not in f"{document}{SPEC}".lower()


def test_the_same_picture_gives_the_same_bytes() -> None:
    """Two runs on one picture give identical files."""
    assert make(photograph("coffee")) == make(photograph("coffee"))


@pytest.mark.parametrize("limit", [500, 1_234, 10_000, 50_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_face_limit_is_kept_and_used(limit: int, shape: str) -> None:
    """There are never more faces than the limit, and more than half of it where the detail allows."""
    glb = make(SHAPES_WITH_HOLES["ring"][0], limit, detail="high", shape=shape)
    assert limit / 2 < len(assert_sound(glb).faces) <= limit


def test_face_limit_is_kept_for_a_frayed_thin_subject() -> None:
    """A tripod's worth of thin parts is still one body within 500 faces."""
    assert len(assert_sound(make(photograph("horse"), 500)).faces) <= 500


def test_options_change_the_result() -> None:
    """Every choice of every option gives another file."""
    image = cut_out(("ellipse", (20, 20, 180, 180)), ("rectangle", (70, 70, 130, 130)))
    chosen: list[dict[str, object]] = [{"thickness": 0.5}, {"thickness": 2.0}]
    chosen += [
        {option.name: choice} for option in SPEC.options for choice in option.choices if choice != option.default
    ]
    chosen = [{"detail": "medium"} | options for options in chosen]
    assert len({zlib.crc32(make(image, **options)) for options in chosen}) == len(chosen)


def test_every_choice_on_offer_is_known_to_the_engine() -> None:
    """The description offers exactly what the engine takes."""
    offered = {option.name: option.choices for option in SPEC.options}
    assert offered["detail"] == tuple(GRID_CELLS)
    assert offered["back"] == (AUTOMATIC, *BACK_STYLES)
    assert offered["shape"] == SHAPES
    assert offered["base"] == BASES


def test_thickness_scales_the_depth() -> None:
    """Half the thickness is half the depth."""
    assert body(make(shaded(disc()), thickness=0.5)).extents[2] == pytest.approx(0.5, abs=0.02)


def test_light_parts_stand_out_and_dark_ones_sink_in() -> None:
    """A light spot lies higher and a dark one deeper than without relief; outline and back stay as they are."""
    image = np.array(shaded(disc()))
    image[90:110, 55:75, :3], image[90:110, 125:145, :3] = 255, 60
    half = {"thickness": 0.5}  # or the relief would change the longest side, and so all sizes
    with_relief, smooth = (body(make(Image.fromarray(image), relief=relief, **half)).vertices for relief in (1, 0))
    moved = with_relief[:, 2] - smooth[:, 2]
    front, column = smooth[:, 2] > 0.1, smooth[:, 0]
    spots = front & (np.abs(smooth[:, 1]) < 0.04)
    assert moved[spots & (np.abs(column + 0.22) < 0.04)].min() > 0.002
    assert moved[spots & (np.abs(column - 0.22) < 0.04)].max() < -0.005
    assert np.ptp(moved[smooth[:, 2] < 0]) < 1e-6
    assert with_relief[:, :2] == pytest.approx(smooth[:, :2], abs=0.002)


def test_a_card_without_relief_is_flat() -> None:
    """A relief of 0 leaves of a relief card its thickness alone."""
    assert assert_sound(make(photograph("coffee"), shape="relief card", relief=0)).extents[2] == pytest.approx(0.04)


def test_relief_card_is_closed_and_takes_any_picture() -> None:
    """A card stands for pictures without a subject too, in their own proportions, bright parts raised."""
    dark = np.zeros((60, 120, 3), np.uint8)
    dark[:, 60:] = 255
    mesh = assert_sound(make(Image.fromarray(dark), shape="relief card"))
    assert mesh.extents[:2] == pytest.approx([1, 0.5], abs=0.01)
    front = mesh.vertices[mesh.vertices[:, 2] > mesh.vertices[:, 2].min() + 0.01]
    assert front[front[:, 0] > 0.2][:, 2].mean() > front[front[:, 0] < -0.2][:, 2].mean() + 0.03


@pytest.mark.parametrize("kind", ["noise", "blank", "clear", "grass"])
def test_no_subject_is_refused_with_a_way_out(kind: str) -> None:
    """Pictures that show no thing are refused, and the relief card is offered."""
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8)
    image = {
        "noise": Image.fromarray(noise),
        "blank": Image.new("RGB", (300, 200), "white"),
        "clear": Image.new("RGBA", (100, 100), (255, 0, 0, 0)),
        "grass": photograph("grass"),
    }[kind]
    with pytest.raises(GenerationFailed, match="relief card") as caught:
        make(image)
    assert caught.value.code == "no_subject"
    assert not caught.value.retryable


def test_a_subject_without_outline_is_refused() -> None:
    """A subject that fills the frame but for holes too small to matter is refused, and the card is offered."""
    holes = np.random.default_rng(1).random((400, 400)) < 0.06
    image = Image.new("RGBA", (400, 400), (200, 100, 50, 255))
    image.putalpha(Image.fromarray(np.where(holes, 0, 255).astype(np.uint8)))
    with pytest.raises(GenerationFailed, match="relief card") as caught:
        make(image)
    assert caught.value.code == "no_outline"


def test_cropped_subject_has_limited_depth() -> None:
    """A subject that is cropped but for a strip is no deeper than it is long."""
    image = Image.new("RGBA", (400, 400), (200, 100, 50, 255))
    image.paste((0, 0, 0, 0), (0, 0, 400, 30))
    mesh = assert_sound(make(shaded(image)))
    assert 0.5 < mesh.extents[2] / mesh.extents[:2].max() < 1.02


def test_a_bust_is_less_deep_than_it_is_wide() -> None:
    """A bust cut by the frame is less deep than wide; a ball that only touches the frame stays a ball."""
    bust = body(make(shaded(cut_out(("ellipse", (70, 10, 130, 90)), ("ellipse", (0, 70, 199, 330))))))
    assert bust.extents[2] < 0.75 * bust.extents[0]
    ball = body(make(shaded(cut_out(("ellipse", (20, 40, 180, 201))))))
    assert ball.extents[2] > 0.9 * ball.extents[0]


def test_a_stray_transparent_pixel_does_not_count_as_a_mask() -> None:
    """An opaque picture with a transparent corner is segmented like one without."""
    image = photograph("coffee").convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    assert body(make(image)).extents == pytest.approx(body(make(photograph("coffee"))).extents, abs=0.02)


def test_of_several_subjects_the_largest_is_kept() -> None:
    """Two things side by side: the larger one becomes the body."""
    image = cut_out(("ellipse", (10, 10, 130, 130)), ("ellipse", (150, 150, 190, 190)))
    assert assert_sound(make(image)).extents[:2] == pytest.approx([1, 1], abs=0.03)


@pytest.mark.parametrize("side", [8, 16, 33])
def test_tiny_pictures_work(side: int) -> None:
    """An icon of a few pixels gives a sound body."""
    assert_sound(make(disc().resize((side, side))))


def test_a_single_pixel_is_refused() -> None:
    """A picture of 1 × 1 is refused with its own reason."""
    with pytest.raises(GenerationFailed, match="too small") as caught:
        make(Image.new("RGB", (1, 1)))
    assert caught.value.code == "image_too_small"


@pytest.mark.parametrize("size", [(2048, 64), (40, 1500), (2048, 2048)])
def test_long_and_large_pictures_work(size: tuple[int, int]) -> None:
    """Extreme proportions and the largest size give sound bodies in the picture's proportions."""
    image = disc().crop((20, 20, 181, 181)).resize(size)
    mesh = assert_sound(make(image))
    assert mesh.extents[0] / mesh.extents[1] == pytest.approx(size[0] / size[1], rel=0.15)


def test_a_grey_photograph_works() -> None:
    """A photograph without colour is found and inflated."""
    assert_sound(make(photograph("camera").convert("L").convert("RGB")))


def test_stages_are_reported_in_order() -> None:
    """The engine reports its stages in order with increasing fractions."""
    stages: list[tuple[float, str]] = []
    generate_preview(disc(), {"detail": "low"}, None, lambda done, what: stages.append((done, what)))
    assert [what for _, what in stages] == ["finding the subject", "shaping", "texturing"]
    assert stages == sorted(stages)


def _document(glb: bytes) -> tuple[dict[str, int], list[object], dict[str, list[dict[str, object]]]]:
    length = struct.unpack("<I", glb[12:16])[0]
    document = json.loads(glb[20 : 20 + length])
    return document["meshes"][0]["primitives"][0]["attributes"], document["accessors"], document


def test_uncertain_pixels_inside_the_subject_keep_their_colour():
    """A bright part that the mask half takes for background keeps its colours; nothing behind shines through."""
    rgb, alpha = np.zeros((200, 200, 3), np.float32), np.zeros((200, 200), np.float32)
    alpha[30:170, 30:170] = 1
    rgb[30:170, 30:170] = (150, 40, 40)
    rgb[:, :30] = (0, 255, 0)
    rgb[80:120, 80:120], alpha[80:120, 80:120] = (250, 250, 90), 0.6
    front = np.asarray(make_atlas(Subject(rgb, alpha), "plain", STILL, (1, 1)).image)[
        PADDING:-PADDING, PADDING : PADDING + 200
    ]
    assert (front[82:118, 82:118] == (250, 250, 90)).all()
    assert (front[40:160, 28:32] == (150, 40, 40)).all()


def test_a_thin_part_shows_its_own_colours():
    """A leg some pixels wide is not painted with the colours of the body it hangs from."""
    rgb, alpha = np.zeros((200, 200, 3), np.float32), np.zeros((200, 200), np.float32)
    rgb[20:100, 20:180], alpha[20:100, 20:180] = (40, 40, 150), 1
    rgb[100:190, 98:103], alpha[100:190, 98:103] = (240, 240, 240), 0.8
    front = np.asarray(make_atlas(Subject(rgb, alpha), "plain", STILL, (1, 1)).image)[
        PADDING:-PADDING, PADDING : PADDING + 200
    ]
    assert (front[110:180, 100] > 230).all()


def test_lines_of_colour_a_pixel_wide_stay_apart():
    """Red and blue lines of one pixel, equally bright, are red and blue on the texture, not one purple."""
    pixels = np.array(cut_out(("rectangle", (20, 20, 180, 180))))
    pixels[..., :3] = np.where(np.arange(SIDE)[None, :, None] % 2, (255, 0, 0), (0, 54, 255))
    front = np.asarray(load(make(Image.fromarray(pixels))).visual.material.baseColorTexture)[60:140, 60:100]
    assert np.ptp(front[..., 0].astype(int), axis=1).min() > 200
