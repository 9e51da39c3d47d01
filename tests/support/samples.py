"""Ten GLBs of several programs, made or taken from installed packages when they are asked for; none lies here."""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from pathlib import Path

import gradio
import trimesh
from PIL import Image

from image2model.devtools.fal_stand_in.files import picture_box_glb
from tests.support import local_shapes, meshes
from tests.support.pictures import encoded, photo

GRADIO = Path(gradio.__file__).parent / "media_assets" / "models3d"
PMNDRS = Path(__file__).parents[1] / "node_modules" / "@pmndrs" / "assets" / "models"
EXAMPLES = Path(__file__).parents[2] / "examples"


def _previewed(name: str) -> bytes:
    return local_shapes.make(Image.open(EXAMPLES / name).convert("RGB").resize((256, 256)))


def _packaged(name: str) -> bytes:
    """A GLB that an npm package (CC0) holds as a script."""
    match = re.search(r"base64,([\w+/=]+)", (PMNDRS / f"{name}.glb.js").read_text())
    assert match
    return base64.b64decode(match[1])


def _one_file(gltf: Path) -> bytes:
    """A glTF in JSON, whose buffer and picture are data addresses, as GLB."""
    document = json.loads(gltf.read_text())
    binary = base64.b64decode(document["buffers"][0].pop("uri").split(",")[1])
    return meshes.glb(document, binary)


def _converted(name: str) -> bytes:
    scene = trimesh.load_scene(GRADIO / name)
    data: bytes = scene.export(file_type="glb")
    return data


TEN = {
    "the local engine's robot": lambda: _previewed("robot.jpg"),
    "the local engine's mug": lambda: _previewed("mug.jpg"),
    "the local engine's toadstool": lambda: _previewed("mushroom-house.jpg"),
    "the stand-in's": lambda: picture_box_glb(encoded(photo(32, 32), "PNG")),
    "Khronos's duck": (GRADIO / "Duck.glb").read_bytes,  # SCEA Shared Source Licence
    "Khronos's fox": lambda: _one_file(GRADIO / "Fox.gltf"),  # CC0 and CC-BY 4.0, animated
    "Blender's monkey, Draco": lambda: _packaged("suzi"),  # CC0
    "bunny, Draco": lambda: _packaged("bunny"),  # CC0
    "letters, Draco": lambda: _packaged("pmndrs"),  # CC0
    "Stanford's bunny": lambda: _converted("Bunny.obj"),  # free for any use with credit
}


@cache
def ten(name: str) -> bytes:
    """One of the TEN."""
    return TEN[name]()
