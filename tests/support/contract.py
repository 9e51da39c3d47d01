"""Names that programs and hosts rely on; tests/e2e/test_contract.py compares them with tests/support/contract.json.

    python -m tests.support.contract

writes the file anew, for a change that is meant.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import httpx

from image2model.devtools.app_process import AppProcess
from image2model.errors import ErrorCode
from image2model.generators.fal.failure_messages import FalErrorCode
from image2model.generators.local.failure_messages import LocalErrorCode
from image2model.settings import Settings, environment_names

CONTRACT = Path(__file__).with_name("contract.json")


def contract(url: str) -> dict[str, Any]:
    """Operations of REST and of Gradio's API at the running app, error codes, settings and element ids."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        paths, api, page = (
            client.get(path).raise_for_status().json() for path in ("/openapi.json", "/gradio_api/info", "/config")
        )
    return {
        "rest": {
            f"{method.upper()} {path}": _operation(operation)
            for path, operations in paths["paths"].items()
            for method, operation in operations.items()
        },
        "api": {
            name: [parameter["parameter_name"] for parameter in endpoint["parameters"]]
            for name, endpoint in api["named_endpoints"].items()
        },
        "error_codes": sorted([*ErrorCode, *FalErrorCode, *LocalErrorCode]),
        "settings": sorted({variable for name in Settings.model_fields for variable in environment_names(name)}),
        "element_ids": sorted({name for part in page["components"] for name in _ids(part["props"])}),
    }


def _ids(props: dict[str, Any]) -> list[str]:
    """Ids of a component and of the elements of its template, but for the help texts of fields."""
    inner = re.findall(r'\bid="([\w.-]+)(?<!-help)"', props.get("html_template") or "")
    return [*filter(None, [props.get("elem_id")]), *inner]


def _operation(operation: dict[str, Any]) -> list[str]:
    """Parameters by place and name, then statuses."""
    parameters = [f"{parameter['in']} {parameter['name']}" for parameter in operation.get("parameters", [])]
    form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
    return [*sorted(parameters), *(f"form {name}" for name in sorted(form.get("properties", {}))),
            *sorted(operation["responses"])]  # fmt: skip


def main() -> None:
    """Write the contract of this checkout."""
    with tempfile.TemporaryDirectory() as folder:
        app = AppProcess(Path(folder), FAL_KEY="a-key-of:nobody-at-all", FAL_HOST="http://127.0.0.1:9").start()
        try:
            CONTRACT.write_text(json.dumps(contract(app.url), indent=1, sort_keys=True) + "\n")
        finally:
            app.stop()


if __name__ == "__main__":
    main()
