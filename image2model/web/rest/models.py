"""The generators, which this API calls models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from ...services import IMAGE_SUFFIXES, Generator
from ..generator_schema import generator_schema
from .common import HeadRouter, ServicesDep
from .errors import error_responses

router = HeadRouter(prefix="/models", tags=["models"])


class Model(BaseModel):
    """An available generator, which the API calls a model."""

    name: str
    id: str
    description: str
    type: str = "image_to_3d"
    supported_formats: list[str] = Field(description="Suffixes of picture files")
    options: list[dict[str, Any]] = Field(description="Its options, with types, ranges and defaults")
    face_limit: dict[str, Any] | None = Field(description="The option for the number of faces, if it has one")
    price: float = Field(description="US dollars for one image with the default options")
    sides: list[str] = Field(
        description="Sides of an object that it accepts together in one job; empty: one picture only"
    )
    sides_by_place: bool = Field(description="True if a side may only be sent together with all sides before it")
    usual_seconds: float
    available: bool
    unavailable_reason: str | None


class ModelParams(BaseModel):
    """The parameters of a model."""

    model_type: str
    params: list[dict[str, Any]] = Field(description="Name, type, range, choices and default of each")


@router.get("")
@router.get("/available")
async def available(services: ServicesDep) -> list[Model]:
    """The available generators."""
    return [_model(generator) for generator in services.generators.values()]


@router.get("/{model_type}/params", responses=error_responses(404))
async def params(model_type: str, services: ServicesDep) -> ModelParams:
    """The `params` of an upload for this model."""
    schema = generator_schema(services.generator(model_type))
    return ModelParams(model_type=model_type, params=[*filter(None, [schema["face_limit"]]), *schema["options"]])


def _model(generator: Generator) -> Model:
    described = generator_schema(generator)
    return Model(description=described.pop("good_at"), supported_formats=[*IMAGE_SUFFIXES], **described)
