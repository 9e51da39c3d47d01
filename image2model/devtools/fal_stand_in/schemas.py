"""Arguments and results of fal's endpoints, as the stand-in enforces them.

Written from fal's published schemas, on purpose apart from the app's own catalogue: a mistake there must show here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

File = Callable[[str, str], dict[str, Any]]
"""Name and content type -> fal's description of a file, with its address."""

MAX_INT = 2**63
TYPES: Mapping[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "bool": (bool,), "str": (str,), "url": (str,), "urls": (list,),
}  # fmt: skip
"""The types that JSON values of an input's kind have."""


@dataclass(frozen=True)
class Field:
    """One input: its type, range (of a list: of its length) or values, and whether it must be there."""

    type: str
    low: float = -MAX_INT
    high: float = MAX_INT
    values: tuple[Any, ...] = ()
    required: bool = False

    def problem(self, name: str, value: Any) -> dict[str, Any] | None:
        """fal's error entry for a value that does not fit, else None."""
        if self.values:
            return (
                None
                if value in self.values and type(value) in map(type, self.values)
                else error_entry(name, "literal_error")
            )
        if type(value) not in TYPES[self.type]:
            return error_entry(name, f"{self.type}_type")
        if self.type == "urls" and not self.low <= len(value) <= self.high:
            return error_entry(
                name, "too_short" if len(value) < self.low else "too_long", "The number of images is off"
            )
        if self.type in ("int", "float") and value < self.low:
            return error_entry(name, "greater_than_equal", ge=self.low)
        if self.type in ("int", "float") and value > self.high:
            return error_entry(name, "less_than_equal", le=self.high)
        return None


def error_entry(name: str, kind: str, message: str = "The value does not fit", **context: Any) -> dict[str, Any]:
    """One error in fal's form."""
    place = {"loc": ["body", name], "msg": message, "type": kind, "url": f"https://docs.fal.ai/errors#{kind}"}
    return {**place, "ctx": context} if context else place


def integer(low: float = -MAX_INT, high: float = MAX_INT) -> Field:
    """A whole number."""
    return Field("int", low, high)


def one_of(*values: Any) -> Field:
    """One of these values, type and all."""
    return Field("enum", values=values)


BOOL, SEED, TEXT = Field("bool"), integer(), Field("str")
IMAGE, OTHER_SIDE = Field("url", required=True), Field("url")


def images(low: int, high: float = MAX_INT) -> Field:
    """A field of `low` to `high` images."""
    return Field("urls", low, high, required=True)


GLB, FBX, OBJ, PLY, PNG = "model/gltf-binary", "application/octet-stream", "text/plain", "application/ply", "image/png"


@dataclass(frozen=True)
class Endpoint:
    """One model: its inputs, its image field, its output and its price a run in US dollars."""

    fields: dict[str, Field]
    result: Callable[[File], dict[str, Any]]
    price: float

    @property
    def image_fields(self) -> list[str]:
        """The image inputs, the required one first."""
        return [name for name, field in self.fields.items() if field.type in ("url", "urls")]

    @property
    def image_field(self) -> str:
        """The required image input, or an empty string."""
        return next(iter(self.image_fields), "")


def _mesh(file: File) -> dict[str, Any]:
    return {"model_mesh": file("model.glb", GLB), "timings": {"inference": 1.5}}


def _tripo_v25(file: File) -> dict[str, Any]:
    return {
        "task_id": "4b2c1f",
        "base_model": None,
        "model_mesh": file("tripo_model.glb", GLB),
        "rendered_image": file("render.png", PNG),
    }


def _tripo_new(file: File) -> dict[str, Any]:
    glb = file("tripo_model.glb", GLB)
    return {
        "model_mesh": glb,
        "model_urls": {"glb": glb, "base_model": None},
        "rendered_image": file("render.png", PNG),
    }


def _glb(file: File) -> dict[str, Any]:
    return {"model_glb": file("mesh.glb", GLB), "seed": 7}


def _hunyuan_v3(file: File) -> dict[str, Any]:
    return {
        "model_glb": file("model.glb", GLB),
        "thumbnail": file("preview.png", PNG),
        "model_urls": {"glb": file("model.glb", GLB), "obj": file("model.obj", OBJ), "fbx": None},
        "seed": 3,
    }


def _hunyuan_rapid(file: File) -> dict[str, Any]:
    """The result of one published sample: an .obj where the GLB should be."""
    return {
        "model_glb": file("model.obj", OBJ),
        "thumbnail": file("preview.png", PNG),
        "model_urls": {"obj": file("model.obj", OBJ), "glb": file("model.glb", GLB)},
    }


def _rodin(file: File) -> dict[str, Any]:
    return {"model_mesh": file("base_basic_pbr.glb", GLB), "textures": [file("diffuse.png", PNG)], "seed": 5}


def _rodin_v25(file: File) -> dict[str, Any]:
    return {"model_mesh": None, "model_meshes": [file("base_basic_pbr.glb", GLB)], "textures": [file("d.png", PNG)]}


def _meshy(file: File) -> dict[str, Any]:
    glb = file("model.glb", GLB)
    return {
        "model_glb": glb,
        "thumbnail": file("preview.png", PNG),
        "model_urls": {"glb": glb, "fbx": file("model.fbx", FBX), "obj": file("model.obj", OBJ), "usdz": None},
        "texture_urls": [{"base_color": file("texture.png", PNG)}],
        "seed": 1,
    }


def _sam(file: File) -> dict[str, Any]:
    return {
        "gaussian_splat": file("splat.ply", PLY),
        "model_glb": file("model.glb", GLB),
        "metadata": [{"object_index": 0, "scale": [[1.0, 1.0, 1.0]]}],
    }


ORIENTATION_FIELDS = {
    "texture_alignment": one_of("original_image", "geometry"),
    "orientation": one_of("default", "align_image"),
}
OTHER_SIDES = {f"{side}_image_url": OTHER_SIDE for side in ("back", "left", "right")}
HUNYUAN_PRO = {"enable_pbr": BOOL, "face_count": integer(40_000, 1_500_000), **OTHER_SIDES}
TRIPO_V25 = {
    "face_limit": integer(1),
    "texture": one_of("no", "standard", "HD"),
    "pbr": BOOL,
    "auto_size": BOOL,
    "seed": SEED,
    "texture_seed": SEED,
    **ORIENTATION_FIELDS,
}
TRIPO_H31 = {
    "face_limit": integer(1_000, 2_000_000),
    "texture": BOOL,
    "pbr": BOOL,
    "texture_quality": one_of("standard", "detailed"),
    "geometry_quality": one_of("standard", "detailed"),
    "auto_size": BOOL,
    "model_seed": SEED,
    "texture_seed": SEED,
}
TRELLIS = {"mesh_simplify": Field("float", 0.9, 0.98), "texture_size": one_of(512, 1024, 2048), "seed": SEED}
MESHY = {
    "target_polycount": integer(100, 300_000),
    "topology": one_of("triangle", "quad"),
    "should_texture": BOOL,
    "enable_pbr": BOOL,
}
RODIN = {"material": one_of("PBR", "Shaded", "All"), "geometry_file_format": one_of("glb", "usdz", "fbx", "obj", "stl")}

ENDPOINTS: dict[str, Endpoint] = {
    "tripo3d/tripo/v2.5/image-to-3d": Endpoint({"image_url": IMAGE, **TRIPO_V25}, _tripo_v25, 0.30),
    "tripo3d/tripo/v2.5/multiview-to-3d": Endpoint(
        {"front_image_url": IMAGE, **OTHER_SIDES, **TRIPO_V25}, _tripo_v25, 0.30
    ),
    "tripo3d/h3.1/image-to-3d": Endpoint({"image_url": IMAGE, **TRIPO_H31, **ORIENTATION_FIELDS}, _tripo_new, 0.30),
    "tripo3d/h3.1/multiview-to-3d": Endpoint({"image_urls": images(2, 4), **TRIPO_H31}, _tripo_new, 0.30),
    "tripo3d/p1/image-to-3d": Endpoint(
        {"image_url": IMAGE, "face_limit": integer(48, 20_000), "texture": BOOL, "model_seed": SEED}, _tripo_new, 0.50
    ),
    "fal-ai/trellis": Endpoint({"image_url": IMAGE, **TRELLIS}, _mesh, 0.02),
    "fal-ai/trellis/multi": Endpoint(
        {"image_urls": images(1), "multiimage_algo": one_of("stochastic", "multidiffusion"), **TRELLIS}, _mesh, 0.02
    ),
    "fal-ai/trellis-2": Endpoint(
        {
            "image_url": IMAGE,
            "decimation_target": integer(5_000, 2_000_000),
            "resolution": one_of(512, 1024, 1536),
            "texture_size": one_of(1024, 2048, 4096),
            "remesh": BOOL,
            "seed": SEED,
        },
        _glb,
        0.30,
    ),
    "fal-ai/pixal3d": Endpoint(
        {
            "image_url": IMAGE,
            "decimation_target": integer(5_000, 1_586_021),
            "resolution": one_of(1024, 1536),
            "texture_size": one_of(1024, 2048, 4096),
            "remesh": BOOL,
            "seed": SEED,
        },
        _glb,
        0.30,
    ),
    "fal-ai/hunyuan3d/v2": Endpoint(
        {"input_image_url": IMAGE, "textured_mesh": BOOL, "octree_resolution": integer(1, 1024), "seed": SEED},
        _mesh,
        0.16,
    ),
    "fal-ai/hunyuan3d-v3/image-to-3d": Endpoint(
        {"input_image_url": IMAGE, "generate_type": one_of("Normal", "LowPoly", "Geometry"), **HUNYUAN_PRO},
        _hunyuan_v3,
        0.375,
    ),
    "fal-ai/hunyuan-3d/v3.1/pro/image-to-3d": Endpoint(
        {"input_image_url": IMAGE, "generate_type": one_of("Normal", "Geometry"), **HUNYUAN_PRO}, _hunyuan_v3, 0.375
    ),
    "fal-ai/hunyuan-3d/v3.1/rapid/image-to-3d": Endpoint(
        {"input_image_url": IMAGE, "enable_pbr": BOOL, "enable_geometry": BOOL}, _hunyuan_rapid, 0.225
    ),
    "fal-ai/hyper3d/rodin": Endpoint(
        {
            "input_image_urls": images(1, 5),
            "condition_mode": one_of("concat", "fuse"),
            "quality": one_of("high", "medium", "low", "extra-low"),
            "seed": integer(0, 65_535),
            **RODIN,
        },
        _rodin,
        0.40,
    ),
    "fal-ai/hyper3d/rodin/v2.5": Endpoint(
        {"image_urls": images(1, 5), "tier": TEXT, "quality_mesh_option": TEXT, "seed": integer(0, 65_535), **RODIN},
        _rodin_v25,
        0.40,
    ),
    "fal-ai/meshy/v6/image-to-3d": Endpoint({"image_url": IMAGE, **MESHY, "seed": SEED}, _meshy, 0.80),
    "fal-ai/meshy/v6/multi-image-to-3d": Endpoint({"image_urls": images(1, 4), **MESHY}, _meshy, 0.80),
    "fal-ai/triposr": Endpoint(
        {
            "image_url": IMAGE,
            "output_format": one_of("glb", "obj"),
            "mc_resolution": integer(32, 1024),
            "foreground_ratio": Field("float", 0.5, 1.0),
            "do_remove_background": BOOL,
        },
        _mesh,
        0.07,
    ),
    "fal-ai/sam-3/3d-objects": Endpoint(
        {"image_url": IMAGE, "prompt": TEXT, "export_textured_glb": BOOL, "seed": SEED}, _sam, 0.02
    ),
}


def problems(endpoint: Endpoint, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that fal would say against these arguments; an unknown field is one, though fal may overlook it."""
    found = [
        error_entry(name, "missing", "Field required")
        for name, field in endpoint.fields.items()
        if field.required and name not in arguments
    ]
    for name, value in arguments.items():
        field = endpoint.fields.get(name)
        problem = field.problem(name, value) if field else error_entry(name, "extra_forbidden", "Unknown field")
        found += [problem] if problem else []
    return found
