"""Ways to look at a mesh: turntable, plain and wireframe look, the sheet of a batch."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from image2model.devtools.scripted_generator import plain_box_glb
from image2model.errors import GenerationFailed, NotFound
from image2model.mesh.facts import read_facts
from image2model.mesh.gltf.reader import Glb
from image2model.mesh.render.contact_sheet import Cell, write_contact_sheet
from image2model.mesh.render.render_modes import unique_edge_indices, write_render_mode
from image2model.mesh.render.turntable import FRAMES, SIZE, write_turntable
from image2model.process_pool import WorkerPool
from image2model.services import Services, SubmitRequest
from tests.support.meshes import textured_box, triangle
from tests.support.pictures import encoded, photo
from tests.support.scripted import ScriptedGenerator, finished, picture, scripted_settings


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    """A textured box, wider than deep, as a GLB."""
    box = textured_box(photo(64, 64))
    box.apply_scale((2, 1, 0.5))
    path = tmp_path / "mesh.glb"
    path.write_bytes(box.export(file_type="glb"))
    return path


def test_turntable_makes_one_turn_in_equal_frames(mesh: Path, tmp_path: Path):
    """Every turn is whole, of one height and see-through around the mesh; half way round it is as wide as at first."""
    write_turntable(mesh, tmp_path / "turntable.webp")
    boxes = []
    with Image.open(tmp_path / "turntable.webp") as moving:
        assert (moving.size, moving.n_frames) == ((SIZE, SIZE), FRAMES)
        for number in range(FRAMES):
            moving.seek(number)
            boxes.append(moving.convert("RGBA").getchannel("A").getbbox())
    assert all(min(box[:2]) > 0 and max(box[2:]) < SIZE for box in boxes)
    widths = [box[2] - box[0] for box in boxes]
    assert abs(widths[0] - widths[FRAMES // 2]) <= 2
    assert max(widths) > 1.5 * min(widths)


def test_a_turntable_of_nothing_is_refused(tmp_path: Path):
    """A file without a surface gives a reason and leaves no file."""
    (tmp_path / "empty.glb").write_bytes(triangle(meshes=[{"primitives": []}]))
    with pytest.raises(GenerationFailed):
        write_turntable(tmp_path / "empty.glb", tmp_path / "turntable.webp")
    assert not (tmp_path / "turntable.webp").exists()


@pytest.mark.parametrize("look", ["plain", "wireframe"])
def test_plain_render_mode_keeps_the_geometry(mesh: Path, tmp_path: Path, look: str):
    """The plain render mode has the mesh's faces and size, one material, no texture, and opens in another reader."""
    write_render_mode(mesh, tmp_path / "look.glb", look)
    before, after = read_facts(mesh), read_facts(tmp_path / "look.glb")
    assert (after.faces, after.dimensions, after.textures) == (before.faces, before.dimensions, ())
    loaded = trimesh.load(tmp_path / "look.glb", force="mesh")
    assert len(loaded.faces) == before.faces
    lengths = np.linalg.norm(Glb(tmp_path / "look.glb").accessor(1), axis=1)
    assert lengths == pytest.approx(np.ones(len(lengths)), abs=1e-5)


def test_each_edge_is_drawn_once():
    """Two triangles that share a side have five edges."""
    edges = unique_edge_indices(np.array([[0, 1, 2], [2, 1, 3]]))
    assert sorted(map(tuple, edges.tolist())) == [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]


def test_a_sheet_shows_every_cell_and_survives_broken_ones(tmp_path: Path):
    """A sheet of seven with a missing picture and an endless name has a place for each, within WebP's limits."""
    small = tmp_path / "small.webp"
    small.write_bytes(encoded(photo(), "WEBP"))
    cells = [Cell(small, tmp_path / "none.webp", f"{'long' * number * 30}.glb", "12 faces") for number in range(7)]
    write_contact_sheet(cells, tmp_path / "sheet.webp")
    with Image.open(tmp_path / "sheet.webp") as sheet:
        few = sheet.size
    write_contact_sheet(cells * 60, tmp_path / "sheet.webp")
    with Image.open(tmp_path / "sheet.webp") as sheet:
        assert max(few) < max(sheet.size) <= 16383


@pytest.mark.parametrize(
    ("name", "latin"), [("кот.glb", "kot.glb"), ("日本.glb", "RiBen.glb"), ("é…🐱.glb", "e...:cat:.glb")]
)
def test_a_sheet_writes_names_of_any_script_readably(tmp_path: Path, name: str, latin: str):
    """The sheet's font has Latin letters alone, so other names are spelled in these and are no row of boxes."""
    for text, file in ((name, "given.webp"), (latin, "latin.webp")):
        write_contact_sheet([Cell(tmp_path, tmp_path, text, "12 faces")], tmp_path / file)
    assert (tmp_path / "given.webp").read_bytes() == (tmp_path / "latin.webp").read_bytes()


async def test_preview_is_rendered_once_and_cached(tmp_path: Path, pool: WorkerPool):
    """Two who ask for a turntable at once get one file; looks and sheet lie beside the mesh, which stays as it is."""
    services = Services(scripted_settings(tmp_path / "data"), [ScriptedGenerator()], pool)
    await services.start()
    (tmp_path / "uploads").mkdir()
    batch = await services.submit(SubmitRequest([picture(tmp_path / "uploads", "box.png")]))
    await finished(services, batch.id)
    first, second = await asyncio.gather(*(services.file(batch.id, 1, "turntable.webp") for _ in range(2)))
    assert first == second
    written = first.path.stat().st_mtime_ns
    assert (await services.file(batch.id, 1, "turntable.webp")).path.stat().st_mtime_ns == written
    assert (await services.publish_mesh_to_gradio_cache(batch.id, 1, "textured")).read_bytes() == plain_box_glb()
    plain = await services.publish_mesh_to_gradio_cache(batch.id, 1, "plain")
    assert plain.read_bytes() != plain_box_glb()
    assert plain.name == "box.glb"
    entries, _manifest = await services.archive_contents(batch.id)
    sheet = next(entry for entry in entries if entry.name == "contact-sheet.webp")
    assert Image.open(io.BytesIO(sheet.path.read_bytes())).format == "WEBP"
    with pytest.raises(NotFound):
        await services.publish_mesh_to_gradio_cache(batch.id, 2, "plain")
    await services.close()
