"""Values of a request that may stand in its query, in a form or in JSON: programs do each."""

from __future__ import annotations

import json
from typing import Any, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import ImmutableMultiDict
from starlette.exceptions import HTTPException

FORM_BYTES = 20_000
M = TypeVar("M", bound=BaseModel)


def any_form(model: type[BaseModel]) -> dict[str, Any]:
    """The values of a model as the description shows them: in the query, as a form or as JSON."""
    schema = model.model_json_schema()
    needed = schema.get("required", [])
    query = [
        {"in": "query", "name": name, "required": False, "schema": one, "description": one.get("description", "")}
        for name, one in schema["properties"].items()
    ]
    kinds = ("application/json", "application/x-www-form-urlencoded")
    body = {"required": False, "content": {kind: {"schema": {**schema, "required": needed}} for kind in kinds}}
    return {"parameters": query, "requestBody": body}


async def asked_of(request: Request, model: type[M]) -> M:
    """The values of a request, from its query and its body, the body's first."""
    given = _values(request.query_params, model)
    given |= await _body(request, model)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wrong = [
            {**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False, include_context=False)
        ]
        raise RequestValidationError(wrong) from None


def _values(given: ImmutableMultiDict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The values by their names: all of a list's, the last of any other."""
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    return {name: given.getlist(name) if name in lists else given[name] for name in given}


async def _body(request: Request, model: type[BaseModel]) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return _values(await request.form(max_files=0, max_fields=50, max_part_size=FORM_BYTES), model)
    text = await request.body()
    try:
        body = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise HTTPException(400, "This is no JSON object. Send one, or a form, or values in the address.")
    return {name: value for name, value in body.items() if value is not None}  # null is as good as left out
