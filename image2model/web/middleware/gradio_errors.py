"""Gradio's errors in the app's form: 4xx for what the caller can correct, with a code and a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...errors import ErrorCode

UNREADABLE = (
    'A value is missing or of another kind than is taken here. Pictures go as files, like handle_file("cat.jpg"); '
    "/gradio_api/info describes all of it."
)
CODED_MESSAGE = re.compile(r"([a-z][a-z0-9_]*): (.+)", re.DOTALL)
"""The message of a gr.Error that an endpoint of ours raises."""


class GradioErrorsMiddleware:
    """Rewrite errors below `/gradio_api/` to `code: sentence`, and 500 to 400 unless the fault is ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["path"].startswith("/gradio_api/"):
            send = _Rewriter(send)
        await self._app(scope, receive, send)


class _Rewriter:
    """ASGI's `send`, which holds an error back until its body is whole."""

    def __init__(self, send: Send) -> None:
        self._send, self._body = send, b""
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        if explained := explain(start["status"], self._body):
            start["status"], content = explained
            self._body = json.dumps(content).encode()
            headers = MutableHeaders(scope=start)
            headers["Content-Type"], headers["Content-Length"] = "application/json", str(len(self._body))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": self._body})


def explain(status: int, body: bytes) -> tuple[int, Mapping[str, Any]] | None:
    """The status and JSON in place of an error of Gradio's; None where it stays as it is.

    Gradio's clients show `error` or `detail`; ours and REST's read `error_code` and `message`.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        answer = {"detail": body.decode(errors="replace")}
    if not isinstance(answer, dict):
        return None
    if "error_code" in answer:
        return status, {**answer, "detail": f"{answer['error_code']}: {answer['message']}"}
    reason = answer.get("error") or answer.get("detail")
    if status >= 500 and "error" not in answer:
        return None  # not from an endpoint, so it is not in the app's form yet
    if isinstance(reason, dict):
        return None  # of the sign-in, which the page reads
    if status == 422 or not isinstance(reason, str):
        code, message = str(ErrorCode.INPUT_UNREADABLE), _sentence(reason) or UNREADABLE
    else:
        coded = CODED_MESSAGE.fullmatch(reason)
        code, message = coded.groups() if coded else (str(ErrorCode.REQUEST_REFUSED), f"{reason.rstrip('.')}.")
    if status >= 500 and code != ErrorCode.INTERNAL_ERROR:
        status = 400
    text = f"{code}: {message}"
    return status, {"error": text, "detail": text, "error_code": code, "message": message, "status_code": status}


def _sentence(reason: Any) -> str:
    """Reasons that pydantic found, without the values, which may be of any kind, and a secret."""
    if not isinstance(reason, list):
        return ""
    problems = [
        f"{'.'.join(map(str, item.get('loc', [])))}: {item.get('msg', '')}" for item in reason if isinstance(item, dict)
    ]
    return f"This request cannot be read. {'; '.join(problems)[:500]}." if problems else ""
