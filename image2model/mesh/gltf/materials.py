"""Materials of untrusted files as glTF 2.0 allows them.

Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#reference-material
"""

from __future__ import annotations

from typing import Any

import numpy as np

SPECULAR_GLOSSINESS = "KHR_materials_pbrSpecularGlossiness"
BASE_COLOUR_NAMES = {"diffuseFactor": "baseColorFactor", "diffuseTexture": "baseColorTexture"}
"""Fields of that extension, which newer files no longer use, by those of glTF 2.0 that mean the same."""
MATERIAL_TYPES: dict[str, Any] = {
    "extensions": dict, "emissiveTexture": dict, "normalTexture": dict, "occlusionTexture": dict,
    "alphaCutoff": (int, float),
}  # fmt: skip
"""Expected types of optional material fields."""


def valid_material(material: dict[str, Any]) -> dict[str, Any]:
    """The material, in metal and roughness, as glTF 2.0 (5.19, 5.22) allows it: no invalid fields, factors limited."""
    material = _without_specular_glossiness(material)
    pbr = material.get("pbrMetallicRoughness")
    pbr = pbr if isinstance(pbr, dict) else {}
    valid = {name: _limited(value) for name, value in pbr.items() if _is_valid_pbr(name, value)}
    invalid_names = {
        name for name in MATERIAL_TYPES.keys() & material.keys() if not isinstance(material[name], MATERIAL_TYPES[name])
    }
    if not _are_numbers(material.get("emissiveFactor"), 3):
        invalid_names.add("emissiveFactor")
    return {
        **{name: value for name, value in material.items() if name not in invalid_names},
        **({} if "emissiveFactor" in invalid_names else {"emissiveFactor": _limited(material["emissiveFactor"])}),
        "pbrMetallicRoughness": valid,
    }


def number_or(value: Any, default: float) -> float:
    """`value` where it is a finite number, else `default`."""
    return float(value) if _is_number(value) else default


def is_unlit(material: dict[str, Any]) -> bool:
    """True for KHR_materials_unlit: a base colour without shading."""
    return "KHR_materials_unlit" in material.get("extensions", {})


def _without_specular_glossiness(material: dict[str, Any]) -> dict[str, Any]:
    """The diffuse colours of KHR_materials_pbrSpecularGlossiness as base colours, where a material has no others."""
    extensions = material.get("extensions")
    if not isinstance(extensions, dict) or material.get("pbrMetallicRoughness"):
        return material
    older = extensions.get(SPECULAR_GLOSSINESS)
    if not isinstance(older, dict):
        return material
    colours = {new: older[name] for name, new in BASE_COLOUR_NAMES.items() if name in older}
    others = {name: value for name, value in extensions.items() if name != SPECULAR_GLOSSINESS}
    return {**material, "extensions": others, "pbrMetallicRoughness": {**colours, "metallicFactor": 0}}


def _is_valid_pbr(name: str, value: Any) -> bool:
    if name == "baseColorFactor":
        return _are_numbers(value, 4)
    if name in ("metallicFactor", "roughnessFactor"):
        return _is_number(value)
    return isinstance(value, dict)


def _limited(value: Any) -> Any:
    """A factor, or each of a list of factors, limited to 0 to 1; anything else as it is."""
    return value if isinstance(value, dict) else np.clip(np.asarray(value, float), 0, 1).tolist()


def _are_numbers(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(_is_number(number) for number in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))
