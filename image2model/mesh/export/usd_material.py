"""Materials of a USD scene description. Format: https://openusd.org/release/spec_usdpreviewsurface.html."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..gltf.colours import CLAMP, MIRROR, REPEAT
from ..gltf.materials import is_unlit, number_or
from ..gltf.reader import FloatArray, MeshPrimitive
from .surface_textures import extra_emission, texture_info
from .textures import SimpleMaterial, TextureImage

WRAPS = {REPEAT: "repeat", CLAMP: "clamp", MIRROR: "mirror"}
TEXTURE_SHADER = """
        def Shader "{name}"
        {{
            uniform token info:id = "UsdUVTexture"
            asset inputs:file = @{file}@
            token inputs:sourceColorSpace = "{colour_space}"
            token inputs:wrapS = "{wraps[0]}"
            token inputs:wrapT = "{wraps[1]}"
            float4 inputs:scale = {scale}
            float4 inputs:bias = {bias}
            float2 inputs:st.connect = {path}/{primvar}.outputs:result>
            float outputs:r
            float outputs:g
            float outputs:b
            float outputs:a
            float3 outputs:rgb
        }}
"""
PRIMVAR_SHADER = """
        def Shader "%s"
        {
            uniform token info:id = "UsdPrimvarReader_%s"
            string inputs:varname = "%s"
            %s outputs:result
        }
"""
SHADERS = {"metallicRoughnessTexture": "MetallicRoughness", "normalTexture": "Normal",
           "occlusionTexture": "Occlusion", "emissiveTexture": "Emission"}  # fmt: skip
"""The shader that reads a texture, by the texture's name in glTF."""
INPUTS = {
    "metallic": ("float", "metallicRoughnessTexture", "b"),
    "roughness": ("float", "metallicRoughnessTexture", "g"),
    "normal": ("normal3f", "normalTexture", "rgb"),
    "occlusion": ("float", "occlusionTexture", "r"),
    "emissiveColor": ("color3f", "emissiveTexture", "rgb"),
}
"""Type of an input of UsdPreviewSurface, the texture that it reads where there is one, and the channels of that."""
NO_BIAS = (0.0, 0.0, 0.0, 0.0)


def coordinate_sets(material: SimpleMaterial) -> list[FloatArray]:
    """The different texture coordinates (n, 2) of a material, v downwards."""
    sets = [] if material.uv is None else [material.uv]
    for texture in material.surface.values():
        if not any(np.array_equal(texture.uv, known) for known in sets):
            sets.append(texture.uv)
    return sets


def primvar_name(key: int) -> str:
    """Name of the primvar of one of the `coordinate_sets`."""
    return f"st{key or ''}"


def format_material(
    name: str, primitive: MeshPrimitive, material: SimpleMaterial, texture_files: Mapping[TextureImage, str]
) -> Iterator[str]:
    """Yield the lines of a material called `name`, whose textures are files."""
    path = f"</Model/Materials/{name}"
    yield f'    def Material "{name}"\n    {{\n'
    yield f"        token outputs:surface.connect = {path}/Surface.outputs:surface>\n"
    yield '        def Shader "Surface"\n        {\n            uniform token info:id = "UsdPreviewSurface"\n'
    yield from _colour_inputs(path, primitive, material)
    yield from _surface_inputs(path, primitive, material)
    yield "            token outputs:surface\n        }\n"
    sets = coordinate_sets(material)
    for key in range(len(sets)) if material.images else ():
        yield PRIMVAR_SHADER % (f"Place{key or ''}", "float2", primvar_name(key), "float2")
    if material.texture:
        yield TEXTURE_SHADER.format(
            name="Picture", file=texture_files[material.texture], colour_space="sRGB", path=path, primvar="Place",
            wraps=[WRAPS[wrap] for wrap in material.wraps], scale=_tuple(material.base_colour), bias=_tuple(NO_BIAS),
        )  # fmt: skip
    elif "COLOR_0" in primitive.attributes:
        yield PRIMVAR_SHADER % ("Colours", "float3", "displayColor", "float3")
    for texture_name, texture in material.surface.items():
        key = next(key for key, known in enumerate(sets) if np.array_equal(texture.uv, known))
        scale, bias = _scale_and_bias(texture_name, primitive.material, material)
        yield TEXTURE_SHADER.format(
            name=SHADERS[texture_name], file=texture_files[texture.image], path=path, primvar=f"Place{key or ''}",
            colour_space="sRGB" if texture_name == "emissiveTexture" else "raw",
            wraps=[WRAPS[wrap] for wrap in texture.wraps], scale=_tuple(scale), bias=_tuple(bias),
        )  # fmt: skip
    yield "    }\n"


def _colour_inputs(path: str, primitive: MeshPrimitive, material: SimpleMaterial) -> Iterator[str]:
    """Yield diffuse and emissive colour, and the opacity."""
    seen, other = ("emissiveColor", "diffuseColor") if material.is_emissive else ("diffuseColor", "emissiveColor")
    if material.texture:
        colour = f".connect = {path}/Picture.outputs:rgb>"
    elif "COLOR_0" in primitive.attributes:
        colour = f".connect = {path}/Colours.outputs:result>"
    else:
        colour = f" = {_tuple(material.base_colour[:3])}"
    yield f"            color3f inputs:{seen}{colour}\n"
    if "emissiveTexture" not in material.surface:
        yield f"            color3f inputs:{other} = {_tuple(extra_emission(material, primitive.material))}\n"
    has_holes = material.texture and material.alpha_cutoff is not None
    has_alpha = material.texture and (has_holes or material.is_blended)
    alpha = f".connect = {path}/Picture.outputs:a>" if has_alpha else f" = {material.base_colour[3]:g}"
    yield f"            float inputs:opacity{alpha}\n"
    yield f"            float inputs:opacityThreshold = {material.alpha_cutoff:g}\n" if has_holes else ""


def _surface_inputs(path: str, primitive: MeshPrimitive, material: SimpleMaterial) -> Iterator[str]:
    """Yield metallic, roughness, normal, occlusion and emission: connected to their textures, else as numbers."""
    pbr = primitive.material.get("pbrMetallicRoughness", {})
    numbers = {"metallic": 0 if is_unlit(primitive.material) else pbr.get("metallicFactor", 1),
               "roughness": pbr.get("roughnessFactor", 1)}  # fmt: skip
    for name, (kind, texture_name, channels) in INPUTS.items():
        if texture_name in material.surface:
            shader = SHADERS[texture_name]
            yield f"            {kind} inputs:{name}.connect = {path}/{shader}.outputs:{channels}>\n"
        elif name in numbers:
            yield f"            {kind} inputs:{name} = {numbers[name]:g}\n"


def _scale_and_bias(
    texture_name: str, material: dict[str, Any], simple: SimpleMaterial
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Factors of the channels of a texture, and what is added to them afterwards."""
    pbr = material.get("pbrMetallicRoughness", {})
    if texture_name == "normalTexture":  # from 0 to 1 to -1 to 1
        return (2, 2, 2, 1), (-1, -1, -1, 0)
    if texture_name == "metallicRoughnessTexture":
        return (1, pbr.get("roughnessFactor", 1), pbr.get("metallicFactor", 1), 1), NO_BIAS
    if texture_name == "emissiveTexture":
        return (*extra_emission(simple, material), 1), NO_BIAS
    strength = number_or(texture_info(material, texture_name).get("strength"), 1)
    return (strength, 1, 1, 1), (1 - strength, 0, 0, 0)


def _tuple(values: tuple[float, ...]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"
