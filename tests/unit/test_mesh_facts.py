"""Facts and thumbnails of meshes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from image2model.atomic_files import atomic_write
from image2model.devtools.sample_meshes import bumpy_ball
from image2model.mesh.facts import read_facts
from image2model.mesh.render.thumbnail import render_thumbnail
from image2model.mesh.report import write_report
from image2model.process_pool import WorkerPool
from tests.support import meshes
from tests.support.pictures import decoded, encoded, photo

RED, BLUE = (220, 30, 30, 255), (30, 40, 220, 255)


@pytest.fixture
def write_glb(tmp_path: Path):
    """Write bytes, or what trimesh can export, as a GLB."""

    def save(mesh, **options) -> Path:
        path = tmp_path / "mesh.glb"
        path.write_bytes(mesh if isinstance(mesh, bytes) else mesh.export(file_type="glb", **options))
        return path

    return save


def thumbnail_pixels(path: Path) -> np.ndarray:
    """The thumbnail's pixels at 320 a side, (rows, columns, RGBA)."""
    return np.asarray(decoded(render_thumbnail(path, 320)).convert("RGBA")).astype(int)


def coloured(mesh: trimesh.Trimesh, colour) -> trimesh.Trimesh:
    """The mesh with one colour on all its vertices."""
    mesh.visual.vertex_colors = colour
    return mesh


def test_a_closed_mesh_is_called_closed_across_its_seams(write_glb):
    """Vertices repeated along a texture's seams are one when closedness is judged."""
    facts = read_facts(write_glb(meshes.textured_box(photo(64, 32))))
    assert (facts.faces, facts.vertices, facts.parts, facts.watertight, facts.holes) == (12, 36, 1, True, 0)
    assert (facts.materials, facts.textures, facts.dimensions) == (1, ((64, 32),), (1, 1, 1))
    assert facts.warnings == ()


@pytest.mark.parametrize("noise", [1e-8, 5e-8])
def test_vertices_that_lie_next_to_each_other_are_one(write_glb, noise):
    """A ball whose faces share no vertex is closed, though their corners are some hundred-millionths of it apart."""
    ball = trimesh.creation.icosphere(4)
    ball.unmerge_vertices()
    ball.vertices += np.random.default_rng(0).normal(0, 2 * noise, ball.vertices.shape)
    facts = read_facts(write_glb(ball))
    assert (facts.watertight, facts.holes, facts.parts, facts.warnings) == (True, 0, 1, ())


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.creation.icosphere(3),
        trimesh.creation.torus(1, 0.3),
        trimesh.creation.box((1, 200, 0.01)),
        meshes.bowl(),
        meshes.two_pieces(),
        bumpy_ball(40, photo()),
    ],
    ids=["sphere", "torus", "plank", "bowl", "two pieces", "ball with a seam"],
)
def test_facts_agree_with_trimesh(write_glb, mesh):
    """Closedness, pieces and size are what trimesh finds, by other ways, on the same mesh."""
    facts = read_facts(write_glb(mesh))
    welded = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert (facts.watertight, facts.parts) == (welded.is_watertight, welded.body_count)
    assert facts.dimensions == pytest.approx(mesh.extents, abs=1e-5)
    if welded.is_watertight:
        assert facts.volume == pytest.approx(welded.volume, rel=1e-4)
        assert facts.genus == welded.body_count - welded.euler_number // 2
    else:
        assert (facts.volume, facts.genus) == (None, None)


def test_a_mirroring_node_turns_no_face_inside_out(write_glb):
    """A node with a negative scale keeps the outer sides out, as glTF says."""
    mirrored = trimesh.Scene()
    mirrored.add_geometry(trimesh.creation.box(), transform=np.diag([-1, 1, 1, 1]))
    assert read_facts(write_glb(mirrored)).warnings == ()


def test_holes_are_counted_with_a_warning(write_glb):
    """A tube has two holes, and the warning says so in words."""
    facts = read_facts(write_glb(meshes.tube()))
    assert (facts.watertight, facts.holes) == (False, 2)
    assert "2 holes" in facts.warnings[0]


def test_nonmanifold_edges_have_a_warning(write_glb):
    """Three faces on one edge are not closed, though no edge is open on its own account there."""
    points = [[0, 0, 0], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1]]
    facts = read_facts(write_glb(trimesh.Trimesh(points, [[0, 1, 2], [0, 1, 3], [0, 1, 4]], process=False)))
    assert facts.nonmanifold_edges == 1
    assert not facts.watertight


def test_inverted_faces_have_a_warning(write_glb):
    """A mesh with one face turned inside out has a warning."""
    box = trimesh.creation.box()
    box.faces[0] = box.faces[0][::-1]
    facts = read_facts(write_glb(box))
    assert facts.watertight
    assert any("inside out" in warning for warning in facts.warnings)


def test_flat_mesh_has_a_warning(write_glb):
    """A single triangle has the warning that it is flat."""
    assert any("flat" in warning for warning in read_facts(write_glb(meshes.triangle())).warnings)


MORPHING = {"primitives": [{"attributes": {"POSITION": 0}, "targets": [{"POSITION": 0}]}]}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"animations": [{"channels": [], "samplers": []}]}, "animation"),
        ({"skins": [{"joints": [0]}]}, "skeleton"),
        ({"meshes": [MORPHING]}, "morph targets"),
        ({"meshes": [meshes.TRIANGLE["meshes"][0], MORPHING, 5, {"primitives": 3}]}, "morph targets"),
        ({"extensionsRequired": ["EXT_texture_webp"], "extensionsUsed": ["EXT_texture_webp"]}, "WebP"),
        ({"extensionsRequired": ["EXT_texture_avif"], "extensionsUsed": ["EXT_texture_avif"]}, "AVIF"),
        ({"extensionsUsed": ["KHR_texture_basisu"]}, "KTX2"),
        ({"extensionsRequired": ["ACME_clouds", 7, "KHR_mesh_quantization"]}, "It needs 7, ACME_clouds, unknown"),
    ],
)
def test_unsupported_parts_have_a_warning(write_glb, changes, word):
    """Animations, skeletons, morph targets, rare textures and unknown extensions each have one warning."""
    warnings = [
        warning for warning in read_facts(write_glb(meshes.triangle(**changes))).warnings if "flat" not in warning
    ]
    assert [word in warning for warning in warnings[1:]] == [True]
    assert "not closed" in warnings[0]


def test_nodes_place_and_repeat_meshes(write_glb):
    """Facts count what is drawn: each placing of a mesh, where and as large as its nodes say."""
    scene = trimesh.Scene()
    box = trimesh.creation.box()
    for x in (0, 4):
        move = trimesh.transformations.translation_matrix([x, 0, 0]) @ np.diag([1, 2, 1, 1])
        scene.add_geometry(box, geom_name="box", transform=move)
    facts = read_facts(write_glb(scene))
    assert (facts.faces, facts.parts, facts.dimensions) == (24, 2, (5, 2, 1))


def test_rotated_nodes_turn_their_mesh(write_glb):
    """A node's quaternion is glTF's x, y, z, w: a quarter turn about z lays the triangle's x along y."""
    half = float(np.sqrt(0.5))
    nodes = [{"mesh": 0, "rotation": [0, 0, half, half], "scale": [3, 1, 1]}]
    assert read_facts(write_glb(meshes.triangle(nodes=nodes))).dimensions == pytest.approx((1, 3, 0))


def test_facts_are_json(write_glb):
    """The facts go through JSON unchanged."""
    facts = read_facts(write_glb(meshes.textured_box(photo()))).to_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["textures"] == [[64, 48]]


@pytest.mark.parametrize("mesh", [trimesh.creation.icosphere(1), trimesh.creation.icosphere(5)], ids=["80", "20k"])
def test_every_mesh_fills_the_frame_alike(write_glb, mesh):
    """The background is transparent, the mesh in the middle, with the same margin whatever its size and place."""
    mesh.apply_scale(500).apply_translation([1000, -30, 7])
    alpha = thumbnail_pixels(write_glb(mesh))[..., 3]
    assert alpha.shape == (320, 320)
    rows, columns = np.flatnonzero(alpha.max(axis=1)), np.flatnonzero(alpha.max(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) == pytest.approx(320 * 0.88, abs=2)
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(159.5, abs=1)
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(159.5, abs=1)
    assert (alpha[100:220, 100:220] == 255).all()


def test_edges_are_smooth(write_glb):
    """Some pixels at the outline are half transparent."""
    alpha = thumbnail_pixels(write_glb(trimesh.creation.icosphere(3)))[..., 3]
    assert ((alpha > 30) & (alpha < 225)).sum() > 200


def test_nearer_parts_hide_farther_ones(write_glb):
    """The nearer of two boxes (front is +Z) hides the farther one, in either order."""
    front = coloured(trimesh.creation.box((1, 1, 0.1)).apply_translation([0, 0, 0.2]), RED)
    back = coloured(trimesh.creation.box((1, 1, 0.1)), BLUE)
    for pair in ([front, back], [back, front]):
        pixels = thumbnail_pixels(write_glb(trimesh.Scene(pair)))
        red, blue = (pixels[..., 0] > pixels[..., 2] + 60), (pixels[..., 2] > pixels[..., 0] + 60)
        assert red.sum() > 3 * blue.sum() > 0


def test_light_comes_from_above(write_glb):
    """A grey ball is brighter on top than below, so that shape shows."""
    pixels = thumbnail_pixels(write_glb(coloured(trimesh.creation.icosphere(4), (150, 150, 150, 255))))
    assert pixels[60, 140, 0] > pixels[260, 180, 0] + 60


@pytest.mark.parametrize("wrap", ["colour", "texture", "vertices"])
def test_thumbnail_shows_every_kind_of_colour(write_glb, wrap):
    """Base colour factor, texture and vertex colours all colour the thumbnail."""
    if wrap == "texture":
        box = meshes.textured_box(Image.new("RGB", (8, 8), RED[:3]))
    elif wrap == "colour":
        box = meshes.textured_box(Image.new("RGB", (8, 8), "white"), baseColorFactor=RED)
    else:
        box = coloured(trimesh.creation.box(), RED)
    red, green, _, alpha = thumbnail_pixels(write_glb(box))[160, 160]
    assert alpha == 255
    assert red > 2 * green


def test_texture_is_the_right_way_up(write_glb):
    """The upper half of the picture is at the top of a quad whose v grows downwards, as glTF has it."""
    picture = Image.new("RGB", (64, 64), BLUE[:3])
    picture.paste(RED[:3], (0, 0, 64, 32))
    quad = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture)
    quad.visual = trimesh.visual.TextureVisuals(uv=[[0, 0], [1, 0], [1, 1], [0, 1]], material=material)
    pixels = thumbnail_pixels(write_glb(quad))
    assert pixels[90, 160, 0] > pixels[90, 160, 2]
    assert pixels[230, 160, 2] > pixels[230, 160, 0]


def test_masked_texture_is_cut_out(write_glb):
    """The thumbnail is transparent where a masked material's texture is."""
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert thumbnail_pixels(write_glb(meshes.textured_box(clear, alphaMode="MASK")))[..., 3].max() == 0


def test_a_material_may_be_drawn_without_light(write_glb):
    """An unlit material keeps its colour on every side."""
    plain = [{"pbrMetallicRoughness": {"baseColorFactor": [0, 1, 0, 1]}, "extensions": {"KHR_materials_unlit": {}}}]
    pixels = thumbnail_pixels(
        write_glb(
            meshes.triangle(materials=plain, meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "material": 0}]}])
        )
    )
    inside = pixels[pixels[..., 3] == 255]
    assert np.abs(inside[:, :3] - (0, 255, 0)).mean() < 4


def test_emissive_material_is_drawn_unlit(write_glb):
    """A black surface that gives green light is green."""
    lamp = {"pbrMetallicRoughness": {"baseColorFactor": [0, 0, 0, 1]}, "emissiveFactor": [0, 1, 0]}
    pixels = thumbnail_pixels(
        write_glb(
            meshes.triangle(materials=[lamp], meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "material": 0}]}])
        )
    )
    red, green, blue = pixels[pixels[..., 3] == 255][:, :3].mean(axis=0)
    assert green > 240 > 60 > max(red, blue)


@pytest.mark.parametrize("shade", [0, 255])
def test_black_and_white_balls_show_their_shape(write_glb, shade):
    """A black and a white ball both show shading over their whole surface."""
    ball = trimesh.creation.icosphere(4)
    ball.visual.vertex_colors = [shade, shade, shade, 255]
    pixels = thumbnail_pixels(write_glb(ball))
    inside = pixels[pixels[..., 3] == 255][:, 1].astype(int)
    _, counts = np.unique(inside, return_counts=True)
    assert counts.max() < 0.25 * len(inside)
    assert np.ptp(inside) > 15


def test_hostile_lists_are_truncated(write_glb):
    """A file that claims a million textures and extensions has facts of a bearable size."""
    many = meshes.triangle(images=[{}] * 100_000, extensionsUsed=["X" * 1_000_000] * 3 + ["Y"] * 100_000)
    assert len(json.dumps(read_facts(write_glb(many)).to_dict())) < 20_000


def test_report_writes_the_thumbnail_and_returns_the_facts(write_glb, tmp_path):
    """One call gives both; nothing but whole files is left behind."""
    path = write_glb(meshes.textured_box(photo()))
    report = write_report(path, tmp_path / "thumbnail.webp")
    assert report == read_facts(path).to_dict()
    assert decoded((tmp_path / "thumbnail.webp").read_bytes()).size == (256, 256)
    assert {file.name for file in tmp_path.iterdir()} == {"mesh.glb", "thumbnail.webp"}


async def test_report_runs_in_a_worker(write_glb, tmp_path):
    """A worker process makes the report, without libraries that would take it time and memory to load."""
    workers = WorkerPool(1)
    try:
        report = await workers.run(write_report, write_glb(trimesh.creation.box()), tmp_path / "thumbnail.webp")
        loaded = await workers.run(eval, "set(__import__('sys').modules)")
    finally:
        workers.close()
    assert report["watertight"]
    assert (tmp_path / "thumbnail.webp").exists()
    assert "numpy" in loaded
    assert loaded.isdisjoint({"scipy", "gradio", "sqlalchemy", "httpx"})


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    """If the last step fails, no half file stays and the old content is as it was."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(OSError, match="taken"):
        atomic_write(tmp_path / "taken", b"data")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]


def test_atomic_write_replaces_files_as_a_whole(tmp_path):
    """The second content replaces the first."""
    for data in (b"first", b"second, longer"):
        atomic_write(tmp_path / "file", data)
    assert (tmp_path / "file").read_bytes() == b"second, longer"
    assert len(list(tmp_path.iterdir())) == 1


def quad(uvs, **texture) -> bytes:
    """A square of 1 × 1 whose texture is red on the left, blue on the right; `texture` is added to its texture info."""
    picture = Image.new("RGB", (64, 64), BLUE[:3])
    picture.paste(RED[:3], (0, 0, 32, 64))
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "<f4").tobytes()
    corners = np.array(uvs, "<f4").tobytes()
    uri = "data:image/png;base64," + base64.b64encode(encoded(picture)).decode()
    view, accessor = meshes.TRIANGLE["bufferViews"][0], meshes.TRIANGLE["accessors"][0]
    document = {
        **meshes.TRIANGLE,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "mode": 5, "material": 0}]}],
        "accessors": [{**accessor, "count": 4}, {**accessor, "bufferView": 1, "count": 4, "type": "VEC2"}],
        "bufferViews": [{**view, "byteLength": 48}, {**view, "byteOffset": 48, "byteLength": 32}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, **texture}}}],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"wrapS": 10497, "wrapT": 33071}],
        "images": [{"uri": uri}],
    }
    return meshes.glb(document, points + corners)


@pytest.mark.parametrize(
    ("uvs", "texture", "colours"),
    [
        ([[0, 1], [1, 1], [0, 0], [1, 0]], {}, "rb"),
        ([[1, 1], [2, 1], [1, 0], [2, 0]], {}, "rb"),
        ([[-0.5, 1], [0.5, 1], [-0.5, 0], [0.5, 0]], {}, "br"),
        ([[0, 9], [1, 9], [0, 5], [1, 5]], {}, "rb"),
        ([[0, 1], [1, 1], [0, 0], [1, 0]], {"extensions": {"KHR_texture_transform": {"offset": [0.5, 0]}}}, "br"),
        ([[0, 1], [2, 1], [0, 0], [2, 0]], {"extensions": {"KHR_texture_transform": {"scale": [0.5, 1]}}}, "rb"),
        (
            [[0, 1], [1, 1], [0, 0], [1, 0]],
            {"texCoord": 1, "extensions": {"KHR_texture_transform": {"texCoord": 0}}},
            "rb",
        ),
    ],
    ids=["plain", "repeated", "shifted", "clamped", "offset", "scaled", "another set"],
)
def test_texture_coordinates_wrap_and_move(write_glb, uvs, texture, colours):
    """Coordinates beyond the texture repeat or clamp as the sampler says, and texture transforms are applied."""
    pixels = thumbnail_pixels(write_glb(quad(uvs, **texture)))
    left, right = pixels[160, 90], pixels[160, 230]
    assert "".join("r" if pixel[0] > pixel[2] else "b" for pixel in (left, right)) == colours


@pytest.mark.parametrize(("weights", "factor"), [({}, 1), ({"mesh": [1]}, 2), ({"mesh": [1], "node": [3]}, 4)], ids=str)
def test_a_mesh_has_the_form_that_its_weights_give_it(tmp_path, weights, factor):
    """A morph target counts as its mesh says, or its node, which counts before it."""
    primitive = {"attributes": {"POSITION": 0}, "targets": [{"POSITION": 0}]}
    parts = {kind: {"weights": weights[kind]} if kind in weights else {} for kind in ("mesh", "node")}
    data = meshes.triangle(nodes=[{"mesh": 0, **parts["node"]}], meshes=[{"primitives": [primitive], **parts["mesh"]}])
    (tmp_path / "model.glb").write_bytes(data)
    assert read_facts(tmp_path / "model.glb").dimensions == (factor, factor, 0)


@pytest.mark.parametrize("has_weights", [True, False])
def test_a_mesh_is_where_its_skeleton_holds_it(tmp_path, has_weights):
    """A skin's joints place its vertices, not the mesh's own node, unless a vertex does not say on which it hangs."""
    skeleton = {"JOINTS_0": 1, **({"WEIGHTS_0": 2} if has_weights else {})}
    document = {
        **meshes.TRIANGLE,
        "scenes": [{"nodes": [0, 1, 2]}],
        "nodes": [{"mesh": 0, "skin": 0, "scale": [9, 9, 9]}, {}, {"scale": [2, 2, 2], "translation": [1, 0, 0]}],
        "skins": [{"joints": [1, 2]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, **skeleton}}]}],
        "accessors": [
            *meshes.TRIANGLE["accessors"],
            {"bufferView": 1, "componentType": 5121, "count": 3, "type": "VEC4"},
            {"bufferView": 2, "componentType": 5126, "count": 3, "type": "VEC4"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": length} for start, length in ((0, 36), (36, 12), (48, 48))
        ],
        "buffers": [{"byteLength": 96}],
    }
    joints = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]], np.uint8)
    weights = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0.5, 0.5, 0, 0]], "<f4")
    binary = meshes.CORNERS + joints.tobytes() + weights.tobytes()
    (tmp_path / "model.glb").write_bytes(meshes.glb(document, binary))
    found = read_facts(tmp_path / "model.glb").dimensions
    assert found == ((3, 1.5, 0) if has_weights else (9, 9, 0))
