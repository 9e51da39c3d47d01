"""Downloads of finished meshes, one or a whole batch, through the services and the routes of the page."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest
import trimesh
from starlette.applications import Starlette

from image2model.devtools.sample_meshes import bumpy_ball
from image2model.errors import Conflict, NotFound, OptionRefused
from image2model.services import BatchView, Picture, Services, SubmitRequest
from image2model.web.file_routes import file_routes
from image2model.web.ui.picture_cache import PictureCache
from tests.support.meshes import edited
from tests.support.pictures import encoded, photo
from tests.support.scripted import ScriptedGenerator


@pytest.fixture
def generator() -> ScriptedGenerator:
    """Makes a ball of 1,600 faces, with a texture."""
    scripted = ScriptedGenerator()
    scripted.mesh = bumpy_ball(40, photo(32, 32)).export(file_type="glb")
    return scripted


async def done(services: Services, tmp_path: Path, *names: str, **options) -> BatchView:
    """The view of a finished batch of pictures with these names."""
    pictures = []
    for name in names:
        (tmp_path / name).write_bytes(encoded(photo(), "PNG"))
        pictures.append(Picture(tmp_path / name, name))
    batch = await services.submit(SubmitRequest(pictures, **options))
    async with asyncio.timeout(60):
        return [view async for view in services.watch(batch.id)][-1]


def saved(stream) -> zipfile.ZipFile:
    """A streamed zip, opened."""
    return zipfile.ZipFile(io.BytesIO(b"".join(stream.chunks)))


async def test_export_is_cached_and_keeps_the_original(services, tmp_path, generator):
    """Simultaneous and later requests give one file, and the delivered GLB has the generator's own bytes."""
    batch = (await done(services, tmp_path, "cat.png")).batch_id
    (choice,) = services.exports.parse_options(["stl"], {"size": "80"})
    first, second = await asyncio.gather(*(services.exports.export(batch, 1, choice) for _ in range(2)))
    written = first.path.stat().st_mtime_ns
    third = await services.exports.export(batch, 1, choice)
    assert (first, first) == (second, third)
    assert third.path.stat().st_mtime_ns == written
    assert (first.filename, first.facts["unit"]) == ("cat-80mm.stl", "mm")
    assert (await services.file(batch, 1, "cat.glb")).path.read_bytes() == generator.mesh
    (untouched,) = services.exports.parse_options([])
    assert (await services.exports.export(batch, 1, untouched)).path.read_bytes() == generator.mesh


async def test_batch_zip_has_exports_and_their_reports(services, tmp_path, generator):
    """ "All as STL, 80 mm high, print-checked" is one zip, whose manifest tells of each file; a sheet shows them."""
    batch = (await done(services, tmp_path, "cat.png", "dog.png")).batch_id
    choices = services.exports.parse_options(
        "stl,glb", {"size": 80, "measure": "height", "repair": "solid", "packing": "meshopt"}
    )
    archive = saved(await services.exports.archive(batch, choices))
    names = [f"{name}-80mm-high-{kind}" for name in ("cat", "dog") for kind in ("solid.stl", "meshopt-solid.glb")]
    assert archive.namelist() == ["manifest.json", *names, "contact-sheet.webp"]
    manifest = json.loads(archive.read("manifest.json"))
    assert [export["filename"] for export in manifest["exports"]] == names
    assert manifest["exports"][0]["closed"]
    assert manifest["exports"][0]["print_check"]["ready"]
    solid = trimesh.load(io.BytesIO(archive.read(names[0])), file_type="stl")
    assert solid.extents[2] == pytest.approx(80, rel=1e-4)


async def test_one_mesh_that_cannot_be_exported_stops_no_other(services, tmp_path, generator):
    """A broken mesh is left out of the zip, and the manifest says why."""
    view = await done(services, tmp_path, "cat.png", "dog.png")
    (services.folders.batch(view.batch_id) / "1-cat" / "model.glb").write_bytes(b"not a mesh")
    archive = saved(await services.exports.archive(view.batch_id, services.exports.parse_options("ply")))
    assert archive.namelist() == ["manifest.json", "dog.ply", "contact-sheet.webp"]
    (failure,) = json.loads(archive.read("manifest.json"))["export_failures"]
    assert (failure["number"], failure["code"]) == (1, "not_a_glb")


def broken_ball() -> bytes:
    """A ball of 1,600 faces whose texture is turned by an angle that is none."""
    turned = {"extensions": {"KHR_texture_transform": {"rotation": "half"}}}
    return edited(
        bumpy_ball(40, photo(8, 8)),
        lambda json: json["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"].update(turned),
    )


async def test_a_paid_mesh_is_delivered_though_its_lighter_copy_cannot_be_made(services, tmp_path, generator):
    """A mesh that cannot be simplified is delivered whole, with a warning that its face limit was not kept."""
    generator.mesh = broken_ball()
    view = await done(services, tmp_path, "cat.png", face_limit=100)
    (job,) = view.jobs
    assert (job.state, view.state) == ("done", "done")
    assert any(warning.startswith("The face limit was not kept") for warning in job.facts["warnings"])
    assert (await services.file(view.batch_id, 1, "cat.glb")).path.read_bytes() == generator.mesh


async def test_a_broken_mesh_does_not_stop_others_and_has_a_reason(services, tmp_path, generator):
    """A mesh that mesh work stumbles over is left out of the zip with a code and a sentence, and the others come."""
    view = await done(services, tmp_path, "cat.png", "dog.png")
    (services.folders.batch(view.batch_id) / "1-cat" / "model.glb").write_bytes(broken_ball())
    archive = saved(
        await services.exports.archive(view.batch_id, services.exports.parse_options("glb", {"face_limit": 100}))
    )
    assert archive.namelist() == ["manifest.json", "dog-100-faces.glb", "contact-sheet.webp"]
    (failure,) = json.loads(archive.read("manifest.json"))["export_failures"]
    assert failure["code"] == "export_failed"
    assert "cannot be worked with" in failure["message"]


async def test_a_face_limit_that_the_generator_ignores_is_kept_here(services, tmp_path, generator):
    """The simplified copy is stored beside the original, reported with its number of faces, and part of the zip."""
    generator.spec = generator.spec.__class__(**{
        **{name: getattr(generator.spec, name) for name in generator.spec.__dataclass_fields__}, "face_limit": None,
    })  # fmt: skip
    view = await done(services, tmp_path, "cat.png", face_limit=500)
    limited = view.jobs[0].facts["face_limit"]
    assert (limited["asked"], limited["file"]) == (500, "cat-500-faces.glb")
    assert 400 < limited["obtained"] <= 500
    archive = saved(await services.archive(view.batch_id))
    assert archive.read("cat.glb") == generator.mesh
    light = trimesh.load(io.BytesIO(archive.read("cat-500-faces.glb")), file_type="glb", force="mesh")
    assert len(light.faces) == limited["obtained"]
    assert light.visual.material.baseColorTexture is not None


async def test_export_of_missing_or_unfinished_job_is_refused(services, tmp_path, generator):
    """Unfinished and unknown meshes have their own errors, as have choices that cannot be."""
    generator.gate = asyncio.Event()
    (tmp_path / "cat.png").write_bytes(encoded(photo(), "PNG"))
    batch = await services.submit(SubmitRequest([Picture(tmp_path / "cat.png", "cat.png")]))
    (choice,) = services.exports.parse_options(["stl"])
    for asked in (services.exports.export(batch.id, 1, choice), services.exports.print_check(batch.id, 1),
                  services.exports.archive(batch.id, [choice])):  # fmt: skip
        with pytest.raises(Conflict):
            await asked
    with pytest.raises(NotFound):
        await services.exports.export(batch.id, 7, choice)
    with pytest.raises(OptionRefused):
        services.exports.parse_options("stl,fbx")
    with pytest.raises(OptionRefused, match="no option 'szie'"):
        services.exports.parse_options("stl", {"szie": 80})
    generator.gate.set()


async def test_the_routes_serve_exports_checks_and_reasons(services, tmp_path, generator):
    """The page's addresses give the file under its name, the verdict as JSON, and an error with its code."""
    batch = (await done(services, tmp_path, "cat.png")).batch_id
    app = httpx.ASGITransport(Starlette(routes=file_routes(services, PictureCache())))
    client = httpx.AsyncClient(transport=app, base_url=f"http://app/batches/{batch}/")
    fetched = client.get
    answer = await fetched("1/export?format=stl&size=8&unit=cm")
    assert 'filename="cat-80mm.stl"' in answer.headers["content-disposition"]
    assert len(answer.content) == 84 + 50 * len(trimesh.load_mesh(io.BytesIO(generator.mesh), file_type="glb").faces)
    verdict = (await fetched("1/print-check?size=50")).json()
    assert (verdict["ready"], verdict["size_mm"]) == (True, 50)
    colours = (await fetched("1/printer-colors?colors=2&size=50")).json()
    assert colours["size_mm"] == 50
    assert 1 <= len(colours["colors"]) <= 2
    assert sum(colour["share"] for colour in colours["colors"]) == pytest.approx(1, abs=1e-3)
    refused = await fetched("1/export?format=fbx")
    assert (refused.status_code, refused.json()["error_code"]) == (422, "format_unknown")
    assert "Blender turns" in refused.json()["message"]
    archive = zipfile.ZipFile(io.BytesIO((await fetched("export?format=3mf,obj")).content))
    assert archive.namelist() == ["manifest.json", "cat-100mm.3mf", "cat-obj.zip", "contact-sheet.webp"]
