"""Sample GLBs for exports, and the libraries that read an export a second time."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import lib3mf
import meshio
import numpy as np
import trimesh
from PIL import Image
from pxr import Usd

from image2model.devtools.fal_stand_in.files import picture_box_glb
from image2model.devtools.sample_meshes import bumpy_ball
from image2model.mesh.export import check_print, parse_options
from image2model.mesh.gltf.reader import Glb
from tests.support import local_shapes, meshes
from tests.support.pictures import encoded, photo


def coloured() -> trimesh.Trimesh:
    """A ball with colours at its vertices."""
    ball = trimesh.creation.icosphere(3)
    ball.visual.vertex_colors = np.random.default_rng(1).integers(0, 255, (len(ball.vertices), 4))
    return ball


def scene() -> trimesh.Scene:
    """Several materials, one mesh placed twice, once mirrored."""
    placed = trimesh.Scene()
    box = meshes.textured_box(photo(64, 32))
    placed.add_geometry(box, geom_name="box", transform=trimesh.transformations.translation_matrix([2, 0, 0]))
    placed.add_geometry(trimesh.creation.cone(1, 2), transform=np.diag([-1.0, 1, 2, 1]))
    placed.add_geometry(coloured(), transform=trimesh.transformations.translation_matrix([0, 5, 0]))
    return placed


SAMPLES = {
    "the local engine's": lambda: local_shapes.make(
        Image.open("examples/toy-car.jpg").convert("RGB").resize((256, 256))
    ),
    "the stand-in's": lambda: picture_box_glb(encoded(photo(32, 32), "PNG")),
    "textured box": lambda: meshes.textured_box(photo(64, 32)),
    "ball with a seam": lambda: bumpy_ball(40, photo(64, 64)),
    "large ball with a seam": lambda: bumpy_ball(200, photo(64, 64)),
    "bowl": meshes.bowl,
    "tube": meshes.tube,
    "two pieces": meshes.two_pieces,
    "Draco": lambda: meshes.draco(trimesh.creation.torus(1, 0.3)),
    "meshopt": lambda: meshes.meshopt(trimesh.creation.capsule()),
    "coloured vertices": coloured,
    "scene": scene,
}


@cache
def sample(name: str) -> bytes:
    """A GLB of ours, or of another program."""
    made = SAMPLES[name]()
    return made if isinstance(made, bytes) else made.export(file_type="glb")


def read_meshio(path: Path) -> tuple[int, np.ndarray]:
    """Faces and bounds, by meshio."""
    mesh = meshio.read(path)
    return sum(len(block.data) for block in mesh.cells), np.array([mesh.points.min(0), mesh.points.max(0)])


def read_obj(path: Path) -> tuple[int, np.ndarray]:
    """Faces and bounds of the OBJ in a zip, by meshio."""
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("thing.obj").decode().splitlines(keepends=True)
    bare = path.with_name("bare.obj")  # meshio wants texture coordinates for all vertices or for none, and no colours
    kept = (line.split() for line in lines if not line.startswith(("vt", "vn")))
    bare.write_text("".join(" ".join(words[:4]) + "\n" for words in kept))
    return read_meshio(bare)


def read_3mf(path: Path) -> tuple[int, np.ndarray]:
    """Faces and bounds, by trimesh."""
    loaded = trimesh.load_scene(path, process=False)
    return sum(len(mesh.faces) for mesh in loaded.geometry.values()), loaded.bounds


def model_3mf(path: Path) -> tuple[Any, Any]:
    """A 3MF, and its only mesh, as the 3MF consortium's own library holds them."""
    model = lib3mf.get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromFile(str(path))
    assert reader.GetWarningCount() == 0
    mesh_objects = model.GetMeshObjects()
    assert mesh_objects.MoveNext()
    return model, mesh_objects.GetCurrentMeshObject()


def read_glb(path: Path) -> tuple[int, np.ndarray]:
    """Faces and bounds, by our own reader."""
    scene = Glb(path).scene()
    return len(scene.faces), np.array([scene.positions.min(0), scene.positions.max(0)])


SECOND_READERS = {"glb": read_glb, "obj": read_obj, "stl": read_meshio, "ply": read_meshio, "3mf": read_3mf}


def inside(path: Path, name: str) -> str:
    """A text file in a zip."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(name).decode()


def usd_text(path: Path) -> str:
    """The scene of a USDZ in USD's text form."""
    stage = Usd.Stage.Open(str(path))  # held, or its layer would be gone
    return str(stage.GetRootLayer().ExportToString())


def checked(mesh: trimesh.Trimesh, path: Path) -> dict[str, Any]:
    """The print check of a mesh, saved at `path`."""
    path.write_bytes(mesh.export(file_type="glb"))
    return check_print(path, parse_options("stl"))
