"""Readers of exported files, each of another library than the one that wrote it."""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..bounding_box import bounding_box
from ..gltf.reader import Glb
from .textures import simple_materials


@dataclass(frozen=True, slots=True)
class ReadBack:
    """A mesh as a library read it from an exported file."""

    reader: str
    faces: int
    bounds: NDArray[np.float64]
    """(2, 3): lowest and highest x, y, z."""
    textured: bool | None
    """None: the format has no textures."""


def read_with_trimesh(data: bytes, file_type: str) -> ReadBack:
    """Read with trimesh, which knows the format by its `file_type`."""
    import trimesh  # slow to load, and only exports need it

    loaded = trimesh.load_scene(io.BytesIO(data), file_type=file_type, process=False)
    meshes: list[Any] = list(loaded.geometry.values())
    materials = [getattr(mesh.visual, "material", None) for mesh in meshes]
    textures = [
        getattr(material, "baseColorTexture", None) or getattr(material, "image", None) for material in materials
    ]
    textured = any(texture is not None for texture in textures) if file_type in ("glb", "zip") else None
    bounds = np.asarray(loaded.bounds, float)
    return ReadBack("trimesh", sum(len(mesh.faces) for mesh in meshes), bounds, textured)


def read_stl(data: bytes) -> ReadBack:
    """Read with trimesh's own reader of STL, without the scene around it, which takes fourteen times as long."""
    from trimesh.exchange.stl import load_stl  # slow to load, and only exports need it

    read = load_stl(io.BytesIO(data))
    return ReadBack("trimesh", len(read["faces"]), bounding_box(read["vertices"]), None)


def read_obj_zip(data: bytes) -> ReadBack:
    """Read a zip of an OBJ with tinyobjloader, in a quarter of trimesh's time; with trimesh where it has no wheel."""
    if not find_spec("tinyobjloader"):
        return read_with_trimesh(data, "zip")
    import tinyobjloader

    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
        (path,) = Path(folder).glob("*.obj")
        reader = tinyobjloader.ObjReader()
        if not reader.ParseFromFile(str(path), tinyobjloader.ObjReaderConfig()):
            raise ValueError(reader.Error())
        textures = [material.diffuse_texname for material in reader.GetMaterials() if material.diffuse_texname]
        for texture in textures:
            Image.open(Path(folder) / texture).close()
    points = np.array(reader.GetAttrib().vertices).reshape(-1, 3)  # its `numpy_vertices` are all 0 with numpy 2
    faces = sum(len(shape.mesh.num_face_vertices) for shape in reader.GetShapes())
    return ReadBack("tinyobjloader", faces, bounding_box(points), bool(textures))


def read_meshopt_glb(data: bytes) -> ReadBack:
    """Read with our own reader and meshoptimizer's decoder, which is another program than its encoder."""
    with tempfile.NamedTemporaryFile(suffix=".glb") as file:
        Path(file.name).write_bytes(data)
        glb = Glb(Path(file.name))
        scene = glb.scene()
    box = bounding_box(scene.positions)
    return ReadBack(
        "meshoptimizer", len(scene.faces), box, any(material.texture for material in simple_materials(glb, scene, {}))
    )


def read_3mf(data: bytes) -> ReadBack:
    """Read with the 3MF consortium's lib3mf, in a tenth of trimesh's memory; with trimesh where it has no wheel."""
    if not find_spec("lib3mf"):
        return read_with_trimesh(data, "3mf")
    import lib3mf

    model = lib3mf.get_wrapper().CreateModel()
    with tempfile.NamedTemporaryFile(suffix=".3mf") as file:
        Path(file.name).write_bytes(data)
        model.QueryReader("3mf").ReadFromFile(file.name)  # its ReadFromBuffer takes a buffer byte by byte
    meshes = model.GetMeshObjects()
    faces = 0
    while meshes.MoveNext():
        faces += meshes.GetCurrentMeshObject().GetTriangleCount()
    box = model.GetOutbox()
    bounds = np.array([list(box.MinCoordinate), list(box.MaxCoordinate)], float)
    return ReadBack("lib3mf", faces, bounds, model.GetTexture2DGroups().Count() > 0)


def read_usdz(data: bytes) -> ReadBack:
    """Read with OpenUSD."""
    from pxr import Usd, UsdGeom, UsdShade

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.usdz"
        path.write_bytes(data)
        stage = Usd.Stage.Open(str(path))
        meshes = [UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
        shaders = [UsdShade.Shader(prim) for prim in stage.Traverse() if prim.IsA(UsdShade.Shader)]
        points = np.concatenate([np.asarray(mesh.GetPointsAttr().Get(), float) for mesh in meshes])
        faces = sum(len(mesh.GetFaceVertexCountsAttr().Get()) for mesh in meshes)
        textured = any(shader.GetIdAttr().Get() == "UsdUVTexture" for shader in shaders)
    return ReadBack("OpenUSD", faces, bounding_box(points), textured)
