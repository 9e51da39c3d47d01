"""Run inside Blender: import each file and print its faces, dimensions, images and name as one line of JSON."""

import json
import sys
from pathlib import Path

import bpy
import numpy as np

np.bool = bool  # Debian 12 has a Blender that is older than its numpy

IMPORTERS = {
    ".glb": bpy.ops.import_scene.gltf, ".obj": bpy.ops.wm.obj_import, ".stl": bpy.ops.import_mesh.stl,
    ".ply": bpy.ops.import_mesh.ply,
}  # fmt: skip

found = {}
for path in map(Path, sys.argv[sys.argv.index("--") + 1 :]):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    IMPORTERS[path.suffix](filepath=str(path))
    (mesh,) = [thing for thing in bpy.data.objects if thing.type == "MESH"]
    size = [round(side, 4) for side in mesh.dimensions]
    found[path.suffix[1:]] = {"faces": len(mesh.data.polygons), "size": size, "images": len(bpy.data.images)}
print("FOUND", json.dumps(found))
