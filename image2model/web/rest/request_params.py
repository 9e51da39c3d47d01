"""Parameters from the query, a form or a JSON body: existing clients send them in any of these."""

from __future__ import annotations

import json
from typing import Any, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import ImmutableMultiDict
from starlette.exceptions import HTTPException

MAX_FORM_BYTES = 20_000
M = TypeVar("M", bound=BaseModel)


def params_openapi(model: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI of a model's fields as query parameters, form and JSON body."""
    schema = model.model_json_schema()
    required = schema.get("required", [])
    query = [
        {"in": "query", "name": name, "required": False, "schema": field, "description": field.get("description", "")}
        for name, field in schema["properties"].items()
    ]
    kinds = ("application/json", "application/x-www-form-urlencoded")
    body = {"required": False, "content": {kind: {"schema": {**schema, "required": required}} for kind in kinds}}
    return {"parameters": query, "requestBody": body}


async def parse_params(request: Request, model: type[M]) -> M:
    """Parameters from query and body, the body's first; raises RequestValidationError, HTTPException 400."""
    params = _values_by_name(request.query_params, model)
    params |= await _body_params(request, model)
    try:
        return model.model_validate(params)
    except ValidationError as error:
        invalid = [
            {**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False, include_context=False)
        ]
        raise RequestValidationError(invalid) from None


def _values_by_name(given: ImmutableMultiDict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Values by name: all of a list field, the last of any other."""
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    return {name: given.getlist(name) if name in lists else given[name] for name in given}


async def _body_params(request: Request, model: type[BaseModel]) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return _values_by_name(await request.form(max_files=0, max_fields=50, max_part_size=MAX_FORM_BYTES), model)
    text = await request.body()
    try:
        body = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise HTTPException(400, "The body is not a JSON object. Send one, a form, or query parameters.")
    return {name: value for name, value in body.items() if value is not None}  # null means absent
