"""fal.ai's image-to-3D models on offer, as data. The app needs no more than an entry here for a new one.

Endpoints, fields, ranges and prices are those that fal publishes (https://fal.ai/models, autumn 2026).
Durations are hardly published; the usual seconds are careful guesses within its "one to five minutes".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ..base import GenerationParams, Option, Side, Spec
from .model import FalModel, MultiViewInput

Price = Callable[[GenerationParams], Decimal]
LARGEST_WHOLE = 2**31 - 1
"""Largest seed that fal takes, and largest face limit that the database can hold."""
TRIPO_SIDES: tuple[Side, ...] = ("front", "left", "back", "right")
"""Tripo's order of sides."""
DEFAULT_SIDE_ORDER: tuple[Side, ...] = ("front", "back", "left", "right")


def _fixed_price(dollars: str, **extras: str) -> Price:
    """A price, plus what each of `extras` adds when it is chosen; `face_limit` and `several` count as such."""
    base, added = Decimal(dollars), {name: Decimal(extra) for name, extra in extras.items()}

    def price(params: GenerationParams) -> Decimal:
        chosen = {**params.options, "face_limit": params.face_limit is not None, "several": params.multiview}
        return sum((extra for name, extra in added.items() if chosen.get(name) is True), base)

    return price


def _price_by(option: str, usual: Any, prices: Mapping[Any, str]) -> Price:
    """A price by the value of `option`."""
    table = {value: Decimal(dollars) for value, dollars in prices.items()}
    return lambda params: table[params.options.get(option, usual)]


def _faces(name: str, low: int, high: int, help: str) -> Option:
    return Option(name, "Face limit", "int", None, help, minimum=low, maximum=high, step=1)


def _seed(name: str = "seed", label: str = "Seed", largest: int = LARGEST_WHOLE) -> Option:
    return Option(name, label, "int", None, "The same number gives the same result again.", (), 0, largest, 1)


def _switch(name: str, label: str, help: str, default: bool = False) -> Option:
    return Option(name, label, "bool", default, help)


def _choice(name: str, label: str, default: str, choices: str, help: str) -> Option:
    return Option(name, label, "choice", default, help, tuple(choices.split("|")))


def _texture_size(choices: str, default: str) -> Option:
    help = "Width of the texture in pixels; larger is sharper and a bigger file."
    return _choice("texture_size", "Texture size", default, choices, help)


AUTO_SIZE = _switch("auto_size", "Real size", "Scales the model to an estimated size in metres.")
PBR = _switch("pbr", "Material maps", "Adds metal and roughness, for realistic light.")
PAID_PBR = _switch("enable_pbr", "Material maps", "Adds metal and roughness, for realistic light. Adds $0.15.")
MATERIAL = _choice("material", "Material", "PBR", "PBR|Shaded", "PBR reacts to light; Shaded has the light painted in.")
REMESH = _switch("remesh", "Tidy the mesh", "Rebuilds the surface with more even triangles.", True)
HUNYUAN_SIDES = MultiViewInput(
    {"front": "input_image_url", "back": "back_image_url", "left": "left_image_url", "right": "right_image_url"}
)
HUNYUAN_FACES = _faces(
    "face_count", 40_000, 1_500_000, "Left empty, the model makes about 500,000. Setting it adds $0.15."
)


def _tripo_h31_price(params: GenerationParams) -> Decimal:
    chosen = params.options
    texture = "0.40" if chosen.get("texture_quality") == "detailed" else "0.30"
    detail = "0.20" if chosen.get("geometry_quality") == "detailed" else "0.00"
    return Decimal(texture if chosen.get("texture", True) else "0.20") + Decimal(detail)


FAL_MODELS: tuple[FalModel, ...] = (
    FalModel(
        Spec(
            "tripo-v2.5",
            "Tripo v2.5",
            "A good all-rounder for single objects, with texture.",
            120,
            _price_by("texture", "standard", {"no": "0.20", "standard": "0.30", "HD": "0.40"}),
            (
                _choice("texture", "Texture", "standard", "no|standard|HD", "None $0.20, standard $0.30, HD $0.40."),
                PBR,
                AUTO_SIZE,
                _seed(),
                _seed("texture_seed", "Texture seed"),
            ),
            _faces("face_limit", 1, LARGEST_WHOLE, "Left empty, the model chooses as many as the object needs."),
            sides=TRIPO_SIDES,
        ),
        "tripo3d/tripo/v2.5/image-to-3d",
        fixed={"texture": "standard", "pbr": False, "texture_alignment": "original_image", "orientation": "default"},
        multiview=MultiViewInput(
            {side: f"{side}_image_url" for side in TRIPO_SIDES}, "tripo3d/tripo/v2.5/multiview-to-3d"
        ),
    ),
    FalModel(
        Spec(
            "tripo-h3.1",
            "Tripo H3.1",
            "Tripo's detailed model: up to two million faces.",
            150,
            _tripo_h31_price,
            (
                _switch("texture", "Texture", "Colours the model; without it $0.10 less.", True),
                _choice("texture_quality", "Texture quality", "standard", "standard|detailed", "Detailed adds $0.10."),
                _choice("geometry_quality", "Shape quality", "standard", "standard|detailed", "Detailed adds $0.20."),
                _switch("pbr", "Material maps", PBR.help, True),
                AUTO_SIZE,
                _seed("model_seed", "Shape seed"),
                _seed("texture_seed", "Texture seed"),
            ),
            _faces("face_limit", 1_000, 2_000_000, "Left empty, the model chooses."),
            sides=TRIPO_SIDES,
            sides_positional=True,
        ),
        "tripo3d/h3.1/image-to-3d",
        fixed={"texture": True, "pbr": True, "texture_alignment": "original_image", "orientation": "default"},
        multiview=MultiViewInput(
            "image_urls", "tripo3d/h3.1/multiview-to-3d", omitted=frozenset({"texture_alignment", "orientation"})
        ),
    ),
    FalModel(
        Spec(
            "tripo-p1",
            "Tripo P1",
            "Low-poly models for games: 48 to 20,000 faces.",
            60,
            _price_by("texture", True, {True: "0.50", False: "0.40"}),
            (
                _switch("texture", "Texture", "Colours the model; without it $0.10 less.", True),
                _seed("model_seed", "Shape seed"),
            ),
            _faces("face_limit", 48, 20_000, "Left empty, the model chooses."),
        ),
        "tripo3d/p1/image-to-3d",
        fixed={"texture": True},
    ),
    FalModel(
        Spec(
            "trellis",
            "TRELLIS",
            "Textured models for two cents, good for trying out.",
            30,
            _fixed_price("0.02"),
            (
                Option("mesh_simplify", "Simplify", "float", 0.95, "Higher makes fewer faces.", (), 0.9, 0.98, 0.01),
                _texture_size("512|1024|2048", "1024"),
                _seed(),
            ),
            sides=DEFAULT_SIDE_ORDER,
        ),
        "fal-ai/trellis",
        multiview=MultiViewInput("image_urls", "fal-ai/trellis/multi"),
    ),
    FalModel(
        Spec(
            "trellis-2",
            "TRELLIS.2",
            "Detailed shape and materials, with a wide choice of sizes.",
            60,
            _price_by("resolution", "1024", {"512": "0.25", "1024": "0.30", "1536": "0.35"}),
            (
                _choice("resolution", "Detail", "1024", "512|1024|1536", "512 $0.25, 1024 $0.30, 1536 $0.35."),
                _texture_size("1024|2048|4096", "2048"),
                REMESH,
                _seed(),
            ),
            _faces("decimation_target", 5_000, 2_000_000, "A target; left empty, about 500,000."),
        ),
        "fal-ai/trellis-2",
        fixed={"resolution": 1024},
    ),
    FalModel(
        Spec(
            "pixal3d",
            "Pixal3D",
            "Keeps close to the picture, with realistic texture.",
            60,
            _price_by("resolution", "1024", {"1024": "0.30", "1536": "0.42"}),
            (
                _choice("resolution", "Detail", "1024", "1024|1536", "1024 $0.30, 1536 $0.42."),
                _texture_size("1024|2048|4096", "2048"),
                REMESH,
                _seed(),
            ),
            _faces("decimation_target", 5_000, 1_586_021, "A target; left empty, about 200,000."),
        ),
        "fal-ai/pixal3d",
        fixed={"resolution": 1024},
    ),
    FalModel(
        Spec(
            "hunyuan3d-v2",
            "Hunyuan3D v2",
            "Plain shapes without colour; texture on request.",
            45,
            _fixed_price("0.16", textured_mesh="0.32"),
            (
                _switch("textured_mesh", "Texture", "Colours the model. Adds $0.32."),
                Option("octree_resolution", "Detail", "int", 256, "Higher is finer and slower.", (), 64, 512, 32),
                _seed(),
            ),
        ),
        "fal-ai/hunyuan3d/v2",
        "input_image_url",
    ),
    FalModel(
        Spec(
            "hunyuan3d-v3",
            "Hunyuan3D v3",
            "High detail: up to 1.5 million faces.",
            180,
            _fixed_price("0.375", enable_pbr="0.15", face_limit="0.15", several="0.15"),
            (
                _choice(
                    "generate_type",
                    "Kind",
                    "Normal",
                    "Normal|LowPoly|Geometry",
                    "LowPoly: few faces; Geometry: no colour.",
                ),
                PAID_PBR,
            ),
            HUNYUAN_FACES,
            sides=DEFAULT_SIDE_ORDER,
        ),
        "fal-ai/hunyuan3d-v3/image-to-3d",
        "input_image_url",
        multiview=HUNYUAN_SIDES,
    ),
    FalModel(
        Spec(
            "hunyuan3d-v3.1-pro",
            "Hunyuan3D v3.1 Pro",
            "The newer Hunyuan3D: high detail, up to 1.5 million faces.",
            180,
            _fixed_price("0.375", enable_pbr="0.15", face_limit="0.15", several="0.15"),
            (
                _choice("generate_type", "Kind", "Normal", "Normal|Geometry", "Geometry: shape without colour."),
                PAID_PBR,
            ),
            HUNYUAN_FACES,
            sides=DEFAULT_SIDE_ORDER,
        ),
        "fal-ai/hunyuan-3d/v3.1/pro/image-to-3d",
        "input_image_url",
        multiview=HUNYUAN_SIDES,
    ),
    FalModel(
        Spec(
            "hunyuan3d-v3.1-rapid",
            "Hunyuan3D v3.1 Rapid",
            "The quicker, cheaper Hunyuan3D.",
            60,
            _fixed_price("0.225", enable_pbr="0.15"),
            (PAID_PBR, _switch("enable_geometry", "Shape only", "The shape without colour.")),
        ),
        "fal-ai/hunyuan-3d/v3.1/rapid/image-to-3d",
        "input_image_url",
    ),
    FalModel(
        Spec(
            "rodin",
            "Rodin",
            "Models with clean material maps, in four grades of detail.",
            120,
            _fixed_price("0.40"),
            (
                _choice("quality", "Detail", "medium", "high|medium|low|extra-low", "Higher has more faces."),
                MATERIAL,
                _seed(largest=65_535),
            ),
            sides=DEFAULT_SIDE_ORDER,
        ),
        "fal-ai/hyper3d/rodin",
        "input_image_urls",
        True,
        {"geometry_file_format": "glb", "material": "PBR"},
        MultiViewInput("input_image_urls"),
    ),
    FalModel(
        Spec(
            "rodin-v2.5",
            "Rodin v2.5",
            "The newer Rodin, with clean material maps.",
            180,
            _fixed_price("0.40"),
            (MATERIAL, _seed(largest=65_535)),
            sides=DEFAULT_SIDE_ORDER,
        ),
        "fal-ai/hyper3d/rodin/v2.5",
        "image_urls",
        True,
        {"material": "PBR"},
        MultiViewInput("image_urls"),
    ),
    FalModel(
        Spec(
            "meshy-v6",
            "Meshy v6",
            "Finished models with a face count of your choice, in triangles or quads.",
            240,
            _fixed_price("0.80"),
            (
                _choice("topology", "Faces are", "triangle", "triangle|quad", "Quads suit editing."),
                _switch("should_texture", "Texture", "Colours the model.", True),
                _switch("enable_pbr", "Material maps", PBR.help),
                _seed(),
            ),
            _faces("target_polycount", 100, 300_000, "A target; left empty, about 30,000."),
            sides=DEFAULT_SIDE_ORDER,
        ),
        "fal-ai/meshy/v6/image-to-3d",
        multiview=MultiViewInput("image_urls", "fal-ai/meshy/v6/multi-image-to-3d", omitted=frozenset({"seed"})),
    ),
    FalModel(
        Spec(
            "triposr",
            "TripoSR",
            "Rough shapes in seconds.",
            10,
            _fixed_price("0.07"),
            (
                Option("mc_resolution", "Detail", "int", 256, "Higher is finer and slower.", (), 32, 1024, 32),
                Option(
                    "foreground_ratio", "Subject size", "float", 0.9, "Share of the frame for it.", (), 0.5, 1.0, 0.05
                ),
                _switch("do_remove_background", "Remove background", "Off for pictures already cut out.", True),
            ),
        ),
        "fal-ai/triposr",
        fixed={"output_format": "glb"},
    ),
    FalModel(
        Spec(
            "sam-3d-objects",
            "SAM 3D Objects",
            "Objects in everyday photos, for two cents.",
            30,
            _fixed_price("0.02"),
            (_seed(),),
        ),
        "fal-ai/sam-3/3d-objects",
        fixed={"export_textured_glb": True},
    ),
)
