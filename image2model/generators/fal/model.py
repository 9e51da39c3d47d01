"""A model of fal: its description, its endpoints, and its arguments made of pictures and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base import GenerationParams, Side, Spec

EMPTY: Mapping[Side, str] = {}


@dataclass(frozen=True, slots=True)
class MultiViewInput:
    """The way in which several sides of one object are sent to fal as one job."""

    field: str | Mapping[Side, str]
    """A list in the order of the spec's sides, or a field for each side."""
    endpoint: str = ""
    """The endpoint, where it is not the one for a single picture."""
    omitted: frozenset[str] = frozenset()
    """Arguments of a single picture that it does not take."""


@dataclass(frozen=True, slots=True)
class FalModel:
    """One endpoint of fal: what people see of it, and how a picture and parameters become its arguments."""

    spec: Spec
    endpoint: str
    image_field: str = "image_url"
    image_is_list: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Arguments always sent; an option of the same name replaces them."""
    multiview: MultiViewInput | None = None
    """None: it takes one picture of an object."""

    @property
    def endpoints(self) -> tuple[str, ...]:
        """All endpoints that the model uses."""
        return (
            (self.endpoint, self.multiview.endpoint) if self.multiview and self.multiview.endpoint else (self.endpoint,)
        )

    def endpoint_for(self, multiview: bool) -> str:
        """Endpoint for a job of one picture, or of several sides."""
        return self.endpoints[-1] if multiview else self.endpoint

    def arguments(self, image_url: str, params: GenerationParams, sides: Mapping[Side, str] = EMPTY) -> dict[str, Any]:
        """The body of the request; `sides` are the addresses of the other sides, where there are any.

        An option left at its default is not sent, so nothing is charged unasked.
        """
        defaults = {option.name: option.default for option in self.spec.options}
        chosen = {name: value for name, value in params.options.items() if value != defaults.get(name)}
        if self.spec.face_limit is not None and params.face_limit is not None:
            chosen[self.spec.face_limit.name] = params.face_limit
        sent = {**self.fixed, **{name: _to_json_value(value) for name, value in chosen.items()}}
        if not sides or self.multiview is None:
            return {**sent, self.image_field: [image_url] if self.image_is_list else image_url}
        kept = {name: value for name, value in sent.items() if name not in self.multiview.omitted}
        return {**kept, **self._view_arguments(self.multiview, {"front": image_url, **sides})}

    def _view_arguments(self, multiview: MultiViewInput, urls: Mapping[Side, str]) -> dict[str, Any]:
        sides = [side for side in self.spec.sides if side in urls]
        if isinstance(multiview.field, str):
            return {multiview.field: [urls[side] for side in sides]}
        return {multiview.field[side]: urls[side] for side in sides}


def _to_json_value(value: Any) -> Any:
    """Choices are words; those of digits are numbers to fal."""
    return int(value) if isinstance(value, str) and value.isdigit() else value
