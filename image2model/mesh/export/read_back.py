"""What was written is read back by another library than the one that wrote it, and compared."""

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
from .options import Wanted
from .textures import paints

EXACT, PACKED = 1e-5, 1e-3
"""How far the bounds may be off, as a share of the longest side."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader found in a file."""

    reader: str
    faces: int
    bounds: NDArray[np.float64]
    """(2, 3)"""
    textured: bool | None
    """None: the format has no textures."""


def available(form: str) -> bool:
    """Whether this format can be checked here, and so be offered."""
    return form != "usdz" or find_spec("pxr") is not None


def demand(form: str) -> None:
    """Raise Unavailable where the library is missing without which this format cannot be checked."""
    if not available(form):
        raise Unavailable(
            ErrorCode.USDZ_NOT_INSTALLED,
            "USDZ is not installed on this server.",
            "The host can add it: pip install usd-core.",
        )


def check(data: bytes, choice: Wanted, scene: Scene, textured: bool) -> str:
    """Return the reader's name; raise Unavailable where it finds another mesh in `data`, or no texture."""
    try:
        found = _read(data, choice)
        same = found.faces == len(scene.faces) and _close(found.bounds, scene, choice)
        sound = same and (found.textured is None or found.textured or not textured)
    except MemoryError:
        raise
    except Exception as error:
        raise _unsound(choice) from error
    if not sound:
        raise _unsound(choice)
    return found.reader


def _unsound(choice: Wanted) -> Unavailable:
    return Unavailable(
        ErrorCode.EXPORT_FAILED,
        f"This mesh could not be written soundly as {choice.format.label}.",
        "Take another format.",
    )


def _close(bounds: NDArray[np.float64], scene: Scene, choice: Wanted) -> bool:
    wanted = np.array([scene.positions.min(axis=0), scene.positions.max(axis=0)], float)
    share = PACKED if choice.packing != "none" else EXACT
    return bool(np.abs(bounds - wanted).max() <= share * max(float(np.ptp(wanted, axis=0).max()), 1e-9))


def _read(data: bytes, choice: Wanted) -> Found:
    if choice.format.id == "usdz":
        return _usd(data)
    if choice.format.id == "3mf" and find_spec("lib3mf"):
        return _lib3mf(data)
    if choice.packing == "meshopt":
        return _own(data)
    return _trimesh(data, "zip" if choice.format.id == "obj" else choice.format.id)


def _trimesh(data: bytes, kind: str) -> Found:
    import trimesh  # slow to load, and only exports need it

    loaded = trimesh.load_scene(io.BytesIO(data), file_type=kind, process=False)
    meshes: list[Any] = list(loaded.geometry.values())
    looks = [getattr(mesh.visual, "material", None) for mesh in meshes]
    textures = [getattr(look, "baseColorTexture", None) or getattr(look, "image", None) for look in looks]
    textured = any(texture is not None for texture in textures) if kind in ("glb", "zip") else None
    bounds = np.asarray(loaded.bounds, float)
    return Found("trimesh", sum(len(mesh.faces) for mesh in meshes), bounds, textured)


def _own(data: bytes) -> Found:
    """By our own reader, with meshoptimizer's decoder, which is another program than its encoder."""
    with tempfile.NamedTemporaryFile(suffix=".glb") as file:
        Path(file.name).write_bytes(data)
        opened = Glb(Path(file.name))
        scene = opened.scene()
    bounds = np.array([scene.positions.min(axis=0), scene.positions.max(axis=0)], float)
    return Found("meshoptimizer", len(scene.faces), bounds, any(one.picture for one in paints(opened, scene)))


def _lib3mf(data: bytes) -> Found:
    """By the 3MF consortium's own library, which takes a tenth of trimesh's memory; some platforms have no wheel."""
    import lib3mf

    model = lib3mf.get_wrapper().CreateModel()
    model.QueryReader("3mf").ReadFromBuffer(data)
    meshes = model.GetMeshObjects()
    faces = 0
    while meshes.MoveNext():
        faces += meshes.GetCurrentMeshObject().GetTriangleCount()
    box = model.GetOutbox()
    bounds = np.array([list(box.MinCoordinate), list(box.MaxCoordinate)], float)
    return Found("lib3mf", faces, bounds, model.GetTexture2DGroups().Count() > 0)


def _usd(data: bytes) -> Found:
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
    return Found("OpenUSD", faces, np.array([points.min(axis=0), points.max(axis=0)]), textured)
