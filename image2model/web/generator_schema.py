"""Generators as plain data, for both APIs."""

from __future__ import annotations

from typing import Any

from ..services import Generator, Option


def generator_schema(generator: Generator) -> dict[str, Any]:
    """A generator as plain data; `price` in US dollars for one picture with the default options.

    `sides`: the sides of an object that it accepts together in one job.
    """
    spec = generator.spec
    return {
        "id": spec.id,
        "name": spec.name,
        "good_at": spec.strengths,
        "price": float(spec.price(spec.check(None, None))),
        "usual_seconds": spec.usual_seconds,
        "available": not generator.unavailable,
        "unavailable_reason": generator.unavailable or None,
        "sides": list(spec.sides),
        "sides_by_place": spec.sides_positional,
        "face_limit": _option_schema(spec.face_limit) if spec.face_limit else None,
        "options": [_option_schema(option) for option in spec.options],
    }


def _option_schema(option: Option) -> dict[str, Any]:
    keys = ("name", "label", "kind", "default", "help", "choices", "minimum", "maximum")
    return {key: getattr(option, key) for key in keys}
