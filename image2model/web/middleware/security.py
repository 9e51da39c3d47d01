"""What stands before every route: whom a request comes from, how large and slow it may be, and headers on the answer.

One ASGI middleware, so that it holds for Gradio's routes as well as for our own.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from typing import Any

from gradio.route_utils import CustomCORSMiddleware, FnIndexInferError
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from ...errors import ErrorCode, TooLarge
from ...settings import Settings
from ..rest.errors import answer
from .correlation import Correlated
from .request_metrics import Measured

SEND_SECONDS = 30.0
"""How long a sender may be silent in the middle of a request."""
LEAST_RATE = 1000.0
"""Bytes a second below which a sender's `SEND_SECONDS` run out, however often one of them comes."""
UPLOADS = re.compile(r"/(gradio_api|api/v1)/upload")
MOST_TEXT = 1_000_000
MOST_TEXT_TO_GRADIO = 4_000_000
"""Bytes of a request that is no upload."""
ANYWHERE = "*"
SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""
EXPOSED = ("X-Correlation-ID", "Content-Disposition", "Content-Range", "Retry-After")
"""Headers that other sites' scripts may read, too, where they may call at all."""
PAGE_POLICY = "; ".join((
    "default-src 'self'",
    # Gradio's page starts with inline scripts and compiles the templates of gr.HTML; its viewer brings wasm.
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "worker-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' data: blob:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self' https://huggingface.co",
    "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
))  # fmt: skip
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""For files that somebody else has made: whatever they hold, no script of theirs runs as ours."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # a batch's address is the right to read it
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Resource-Policy": "same-site",
}
FILES = re.compile(r"/gradio_api/file[=/]|/batches/")
OUTSIDE = re.compile(r"/gradio_api/(?:file[=/]\s*[a-z][a-z0-9+.-]*:|proxy=)", re.IGNORECASE)
"""Gradio's proxies for other hosts' addresses, without a limit of size: nothing here needs them."""
HOST = re.compile(rb"[A-Za-z0-9._-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
SIGN_IN = parse("10 per minute")


def doors(settings: Settings) -> list[Middleware]:
    """What every request passes, the outermost first."""
    origins = settings.cors_origins.split()
    shared = Middleware(
        CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"],
        allow_credentials=ANYWHERE not in origins, expose_headers=EXPOSED,
    )  # fmt: skip
    return [Middleware(Correlated), Middleware(Measured), Middleware(Security, settings=settings), shared]


def open_only(app: Any, own: list[Middleware]) -> None:
    """Put `own` before what Gradio has, and leave out its CORS, which lets every site in, with the visitor's cookies.

    Gradio takes middleware only behind its own; before the first request the order can still be changed.
    """
    rest = [one for one in app.user_middleware if one not in own and one.cls is not CustomCORSMiddleware]
    app.user_middleware = [*own, *rest]
    app.middleware_stack = None  # built again with the next request


def blame_nobody_here(app: Any) -> None:
    """Answer what Gradio makes failures of its own: who asks for an endpoint that is not there, who breaks off."""

    async def unknown(_request: Any, _error: Exception) -> JSONResponse:
        return answer(
            404, ErrorCode.ENDPOINT_UNKNOWN, "There is no such endpoint. /gradio_api/info describes those there are."
        )

    async def broken_off(_request: Any, _error: Exception) -> JSONResponse:
        return answer(400, ErrorCode.UPLOAD_CUT_SHORT, "The upload broke off. Try again.")

    app.add_exception_handler(FnIndexInferError, unknown)
    app.add_exception_handler(ClientDisconnect, broken_off)


class Throttle:
    """Counts tries by address: ten in a minute, then none for a while."""

    def __init__(self) -> None:
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def tried(self, client: str) -> bool:
        """Count a try; False when there were too many."""
        return self._window.hit(SIGN_IN, client)

    def may_try(self, client: str) -> bool:
        """Whether there is a try left; counts none."""
        return self._window.test(SIGN_IN, client)

    def wait(self, client: str) -> float:
        """Seconds until there is a try left again, once there is none."""
        return max(1.0, self._window.get_window_stats(SIGN_IN, client).reset_time - time.time())


KEY_TRIES = Throttle()
"""Wrong keys by address: of the host in the Admin tab, and of whomever over REST."""


class Security:
    """The middleware."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._behind_proxy = ProxyHeadersMiddleware(self._checked, settings.trusted_proxies.split())  # type: ignore[arg-type]
        self._hosts = settings.allowed_hosts.lower().split()
        self._friends = settings.cors_origins.split()
        self._most_upload = (settings.max_files + 1) * 4_000_000 * settings.max_file_mb
        self._sign_ins = Throttle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a proxy's word only from those the host trusts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"x-gradio-server"]
        client = scope["client"][0] if scope.get("client") else ""
        if client in self._behind_proxy.trusted_hosts:
            scope["headers"] = headers  # in place, here and below: `Measured` reads the route that is put into it
            await self._behind_proxy(scope, receive, send)  # type: ignore[arg-type]
            return
        scope["headers"] = [
            pair for pair in headers if pair[0] != b"forwarded" and not pair[0].startswith(b"x-forwarded-")
        ]
        await self._checked(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        sender = _Protected(scope["path"], send)
        most = self._most(scope["path"])
        if refusal := self._refusal(scope, most):
            await refusal(scope, receive, sender)
            return
        if scope["path"].startswith("/gradio_api/info"):
            scope["app"].api_info = None  # Gradio keeps the host name of whoever asked first
        body = _Bounded(receive, most)
        try:
            await self._app(scope, body, sender)
        except TooLarge:
            if not sender.begun:
                await TOO_LARGE(scope, receive, sender)
        except RuntimeError as error:
            if not sender.begun or not isinstance(error.__cause__, HTTPException):
                raise
            # Gradio has told somebody that it knows no such session, and then fails: the stream only has to end.
            await sender({"type": "http.response.body"})

    def _most(self, path: str) -> int:
        """How many bytes a request to this path may have."""
        if UPLOADS.match(path):
            return self._most_upload
        return MOST_TEXT_TO_GRADIO if path.startswith("/gradio_api/") else MOST_TEXT

    def _refusal(self, scope: Scope, most: int) -> JSONResponse | None:
        """What is answered at once."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        hosts += [value.split(b",")[0].strip() for name, value in scope["headers"] if name == b"x-forwarded-host"]
        if not hosts or not all(self._known(host) for host in hosts):
            return answer(
                400, ErrorCode.HOST_UNKNOWN, "This host name is not served here. ALLOWED_HOSTS has those that are."
            )
        if scope["method"] not in SAFE and self._is_strange(Headers(scope=scope)):
            return answer(
                403, ErrorCode.OTHER_SITE, "Only pages of CORS_ORIGINS may send something here. Use this app's own."
            )
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > most:
            return TOO_LARGE
        if OUTSIDE.match(scope["path"]):
            return answer(
                403, ErrorCode.URL_REFUSED, "Addresses of other hosts are not fetched here. Upload the file itself."
            )
        client = scope["client"][0] if scope.get("client") else ""
        if scope["method"] == "POST" and scope["path"].rstrip("/") == "/login" and not self._sign_ins.tried(client):
            wait = {"Retry-After": str(math.ceil(self._sign_ins.wait(client)))}
            return answer(429, ErrorCode.TOO_MANY_TRIES, "Too many tries to sign in. Wait a minute.", headers=wait)
        return None

    def _is_strange(self, headers: Headers) -> bool:
        """Whether a browser says that another site's page sends this, be it a form that needs nobody's leave.

        Browsers tell it in Sec-Fetch-Site, where the connection can be trusted, else by Origin; programs tell neither.
        """
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if ANYWHERE in self._friends or origin in self._friends:
            return False
        if site:
            return site not in ("same-origin", "none")
        hosts = (headers.get("host"), headers.get("x-forwarded-host"))
        return origin is not None and origin.rpartition("//")[2] not in hosts

    def _known(self, host: bytes) -> bool:
        name = re.sub(r":\d+$", "", host.decode("latin-1").lower())
        return bool(HOST.fullmatch(host)) and (ANYWHERE in self._hosts or name in self._hosts)


class _Bounded:
    """`receive`, within a number of bytes, and not too slow before the body's end.

    `patience` is how many seconds the sender may still be silent.
    """

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._left, self._more = receive, most, True
        self.patience = SEND_SECONDS

    async def __call__(self) -> Message:
        if not self._more:
            return await self._receive()
        began = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), self.patience)
        except TimeoutError:
            return {"type": "http.disconnect"}
        size = len(message.get("body", b""))
        self.patience = min(SEND_SECONDS, self.patience - (time.monotonic() - began) + size / LEAST_RATE)
        self._left -= size
        if self._left < 0:
            raise TooLarge(*LARGE)
        self._more = bool(message.get("more_body", False))
        return message


class _Protected:
    """`send`, with the headers on whatever is answered."""

    def __init__(self, path: str, send: Send) -> None:
        self._send, self.begun = send, False
        self._policy = FILE_POLICY if FILES.match(path) else PAGE_POLICY

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            for name, value in {**HEADERS, "Content-Security-Policy": self._policy}.items():
                headers.setdefault(name, value)
        await self._send(message)


LARGE = (ErrorCode.REQUEST_TOO_LARGE, "This request is too large.", "Send less at a time.")
TOO_LARGE = answer(413, LARGE[0], " ".join(LARGE[1:]))
