"""The access log's lines."""

from __future__ import annotations

import logging

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from image2model.ops.log_config import ACCESS_LOGGER
from image2model.web.middleware.request_metrics import MeasuredRoute, RequestMetricsMiddleware


async def answer(request: Request) -> Response:
    """The status that the path names."""
    return Response(status_code=int(request.path_params["path"]))


@pytest.mark.parametrize(
    ("path", "level"),
    [("/assets/200", "DEBUG"), ("/assets/304", "DEBUG"), ("/assets/404", "INFO"), ("/assets/500", "ERROR"),
     ("/other/200", "INFO"), ("/missing", "INFO")],
)  # fmt: skip
def test_scripts_and_styles_have_a_line_only_where_they_fail(caplog: pytest.LogCaptureFixture, path: str, level: str):
    """A page asks for more than a hundred of them; all other requests have a line, failures of the server as errors."""
    app = Starlette(routes=[MeasuredRoute(f"/{name}/{{path:path}}", answer) for name in ("assets", "other")])
    with caplog.at_level(logging.DEBUG, ACCESS_LOGGER), TestClient(RequestMetricsMiddleware(app)) as client:
        client.get(path)
    assert [record.levelname for record in caplog.records if record.name == ACCESS_LOGGER] == [level]
