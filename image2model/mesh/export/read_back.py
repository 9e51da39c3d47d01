"""Verification of an export: read back by another library than the one that wrote it, and compared."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ErrorCode, Unavailable
from ..gltf.reader import Glb, Scene
from .options import ExportOptions, available
from .textures import simple_materials

TOLERANCE, COMPRESSED_TOLERANCE = 1e-5, 1e-3
"""Tolerances of the bounds, as a share of the longest side."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a library read from an exported file."""

    reader: str
    faces: int
    bounds: NDArray[np.float64]
    """(2, 3): lowest and highest x, y, z."""
    textured: bool | None
    """None: the format has no textures."""


def require_available(format_id: str) -> None:
    """Raise Unavailable where the library that verifies this format is not installed."""
    if not available(format_id):
        raise Unavailable(
            ErrorCode.USDZ_NOT_INSTALLED,
            "USDZ is not installed on this server.",
            "The host can add it: pip install usd-core.",
        )


def verify(data: bytes, options: ExportOptions, scene: Scene, textured: bool) -> str:
    """Return the verifying library's name; raise Unavailable where it reads another mesh from `data`, or no texture."""
    try:
        read_back = _read(data, options)
        same_shape = read_back.faces == len(scene.faces) and _same_bounds(read_back.bounds, scene, options)
        matches = same_shape and (read_back.textured is None or read_back.textured or not textured)
    except MemoryError:
        raise
    except Exception as error:
        raise _export_failed(options) from error
    if not matches:
        raise _export_failed(options)
    return read_back.reader


def _export_failed(options: ExportOptions) -> Unavailable:
    return Unavailable(
        ErrorCode.EXPORT_FAILED,
        f"This mesh could not be written soundly as {options.format.label}.",
        "Take another format.",
    )


def _same_bounds(bounds: NDArray[np.float64], scene: Scene, options: ExportOptions) -> bool:
    expected = np.array([scene.positions.min(axis=0), scene.positions.max(axis=0)], float)
    tolerance = COMPRESSED_TOLERANCE if options.packing != "none" else TOLERANCE
    return bool(np.abs(bounds - expected).max() <= tolerance * max(float(np.ptp(expected, axis=0).max()), 1e-9))


def _read(data: bytes, options: ExportOptions) -> ReadBack:
    if options.format.id == "usdz":
        return _read_usd(data)
    if options.format.id == "3mf" and find_spec("lib3mf"):
        return _read_lib3mf(data)
    if options.packing == "meshopt":
        return _read_glb(data)
    return _read_trimesh(data, "zip" if options.format.id == "obj" else options.format.id)


def _read_trimesh(data: bytes, file_type: str) -> ReadBack:
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


def _read_glb(data: bytes) -> ReadBack:
    """Read with our own reader and meshoptimizer's decoder, which is another program than its encoder."""
    with tempfile.NamedTemporaryFile(suffix=".glb") as file:
        Path(file.name).write_bytes(data)
        glb = Glb(Path(file.name))
        scene = glb.scene()
    bounds = np.array([scene.positions.min(axis=0), scene.positions.max(axis=0)], float)
    return ReadBack(
        "meshoptimizer", len(scene.faces), bounds, any(material.texture for material in simple_materials(glb, scene))
    )


def _read_lib3mf(data: bytes) -> ReadBack:
    """Read with the 3MF consortium's lib3mf, in a tenth of trimesh's memory; some platforms have no wheel."""
    import lib3mf

    model = lib3mf.get_wrapper().CreateModel()
    model.QueryReader("3mf").ReadFromBuffer(data)
    meshes = model.GetMeshObjects()
    faces = 0
    while meshes.MoveNext():
        faces += meshes.GetCurrentMeshObject().GetTriangleCount()
    box = model.GetOutbox()
    bounds = np.array([list(box.MinCoordinate), list(box.MaxCoordinate)], float)
    return ReadBack("lib3mf", faces, bounds, model.GetTexture2DGroups().Count() > 0)


def _read_usd(data: bytes) -> ReadBack:
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
    return ReadBack("OpenUSD", faces, np.array([points.min(axis=0), points.max(axis=0)]), textured)
