"""Uses of Gradio beyond its documented interface, each with the reason (gradio 6.31).

Nothing else may touch such parts, but `gradio_import`, which runs before Gradio is there. `test_gradio_compat.py` has a
test for each, which fails when an upgrade breaks it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import lru_cache, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import fastapi
import gradio as gr
import httpx
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from gradio import blocks, oauth, queueing, route_utils, routes, utils
from gradio.route_utils import BUILD_PATH_LIB, CustomCORSMiddleware, FnIndexInferError, get_root_url
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import LRUCache, get_space
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse
from starlette.types import Scope

from ..errors import ErrorCode
from .middleware.gradio_errors import UNREADABLE
from .rest.errors import error_response

log = logging.getLogger(__name__)

MAX_THREADS = 500
"""Gradio counts each waiting event, also an async one, as a thread: this many pages may watch at a time."""
POOL_THREADS = 8
"""Gradio's threads: only components use them, briefly, and each holds memory."""
FILE_CHUNK = 256 * 1024
"""Bytes of a file sent at once: each chunk is read in another thread, which costs more than the reading."""
UNUSED_SCRIPTS = re.compile(r"/assets/hls-[\w-]+\.js")
"""Scripts of Gradio's that nothing here needs, see `unused_script`."""
BUSY_ROUTES = ("/gradio_api/queue/join", "/gradio_api/queue/data")
"""Routes that overlap with no other, so that their order does not matter."""
QUEUE_PAUSES = {"sleep_when_free": 0.01, "progress_update_sleep_when_free": 0.1}
"""Seconds between polls of the queue's events and their progress, tenfold Gradio's.

With those a process that nobody uses takes a twentieth of a core, day and night.
"""
MAX_SESSIONS = 2000
"""Maximum number of sessions whose messages are kept, as in Gradio."""
MAX_SESSION_NAME = 200
"""Characters; Gradio's own clients use eleven."""
QUICK_COMPONENTS = (gr.HTML, gr.Textbox, gr.Number, gr.Checkbox, gr.Dropdown, gr.Radio, gr.Slider, gr.Button)
"""Components whose pre- and postprocessing touches no file."""
NEVER_READ_SECONDS, UNREAD_SECONDS = 120.0, 900.0
"""Seconds after which a session is forgotten if its client reads no messages."""
SWEEP_SECONDS = 30.0


def create_app(demo: gr.Blocks, url: str, **launch_options: Any) -> Any:
    """The ASGI application of `demo`, with the options of its `launch`; `url` is where it will be served.

    `launch` also starts a server, and fails if its request to its own address takes over three seconds, comes through a
    proxy or names a host that is not allowed. With `is_running` set it only makes the application; it is
    still called, because a Space hooks it and `GRADIO_SHARE` is read there.
    """
    FileResponse.chunk_size = FILE_CHUNK
    _spare_threads()
    demo.is_running, demo.local_url, demo.server = True, url, None  # type: ignore[assignment]  # types that Gradio infers
    demo.is_colab = demo.is_hosted_notebook = False
    demo.share_server_address, demo.share_server_protocol, demo.share_server_tls_certificate = None, "https", None
    host, _, port = url.rpartition("://")[2].rstrip("/").rpartition(":")
    demo.server_name, demo.server_port = host, int(port)
    demo.launch(
        prevent_thread_lock=True, quiet=True, _frontend=False, max_threads=MAX_THREADS,
        share=os.environ.get("GRADIO_SHARE", "").lower() in ("1", "true") or None, **launch_options,
    )  # fmt: skip
    demo.has_launched = True  # without it Gradio takes any path on this machine for a visitor's upload
    demo.app.state_holder = _LightSessions()  # type: ignore[no-untyped-call]
    demo.app.state_holder.set_blocks(demo)
    route_utils.SessionState = _LightSession  # type: ignore[attr-defined]  # of a call without a session
    demo.upload_file_set = _EmptySet()
    _put_busy_routes_first(demo.app)
    return demo.app


def _spare_threads() -> None:
    """Let steps that take microseconds run in the event loop.

    Gradio hands each such step of an event to another thread, eight for somebody who begins to watch, and each waits
    for its turn at the interpreter. For plots, which there are none of here, it looks for Matplotlib twice.
    """
    for module, name, ours in (
        (blocks, "anyio", SimpleNamespace(to_thread=SimpleNamespace(run_sync=_run_sync))),
        (queueing, "run_sync", _run_at_once),  # a summary of events, which `server` has switched off
        (routes, "Depends", _depends),
        (utils, "MatplotlibBackendMananger", nullcontext),
    ):
        setattr(module, name, ours)


async def _run_sync(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    is_quick = isinstance(getattr(function, "__self__", None), QUICK_COMPONENTS) or inspect.isasyncgenfunction(function)
    return function(*args) if is_quick else await anyio.to_thread.run_sync(function, *args, **options)


async def _run_at_once(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def _depends(dependency: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`fastapi.Depends`; reading who has signed in needs no thread."""
    if getattr(dependency, "__name__", "") != "login_check":
        return fastapi.Depends(dependency, **options)

    @wraps(cast(Callable[..., Any], dependency))
    async def login_check(**values: Any) -> None:
        cast(Callable[..., Any], dependency)(**values)

    return fastapi.Depends(login_check, **options)


def _put_busy_routes_first(app: Any) -> None:
    """Move the routes of events to the front: all eighty are searched in order, twice for each request."""
    for router in filter(None, (getattr(route, "original_router", None) for route in app.routes)):
        router.routes.sort(key=lambda route: route.path not in BUSY_ROUTES)


class _EmptySet(set[str]):
    """A set that stays empty, for paths of uploads: Gradio keeps them for `delete_cache`, and files are swept here."""

    def update(self, *others: Iterable[str]) -> None:
        """Ignore the path."""


class _LightSessions(StateHolder):
    """Sessions without what `_LightSession` leaves out."""

    def __getitem__(self, session_id: str) -> SessionState:
        _check_session(session_id)
        if session_id not in self.session_data:
            self.session_data[session_id] = _LightSession(self.blocks)
        return super().__getitem__(session_id)


def _check_session(session: str) -> None:
    """Raise ValueError for a session with a long name: Gradio accepts and keeps names of any length."""
    if len(session) > MAX_SESSION_NAME:
        raise ValueError("This name of a session is too long.")


class _LightSession(SessionState):
    """A session without the configuration of every component.

    Gradio makes one for each page that is opened, and for each call without a session, for deep links, which are closed
    here (`gradio_routes`): 20 ms and 400 kB each, which stopped everybody for seconds where many came at once.
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        no_blocks = SimpleNamespace(default_config=blocks.default_config, blocks={})
        super().__init__(no_blocks)  # type: ignore[arg-type]

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class _Mailboxes(LRUCache[str, asyncio.Queue[Any]]):
    """The messages of each session, which Gradio keeps even if they are never read."""

    def __setitem__(self, session: str, _: asyncio.Queue[Any]) -> None:
        _check_session(session)
        super().__setitem__(session, _Mailbox())


class _Mailbox(asyncio.Queue[Any]):
    """Messages of one session; a stream that is being read asks for the next one at least every ten seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._forget_at = time.monotonic() + NEVER_READ_SECONDS

    @property
    def is_abandoned(self) -> bool:
        """True if no message has been read for NEVER_READ_SECONDS or UNREAD_SECONDS."""
        return time.monotonic() > self._forget_at

    def put_nowait(self, item: Any) -> None:
        """See asyncio; the time to read starts again if all earlier messages were read."""
        if self.empty():
            self._forget_at = max(self._forget_at, time.monotonic() + NEVER_READ_SECONDS)
        super().put_nowait(item)

    async def get(self) -> Any:
        """See asyncio."""
        self._forget_at = time.monotonic() + UNREAD_SECONDS
        message = await super().get()
        self._forget_at = time.monotonic() + UNREAD_SECONDS
        return message


async def forget_unread(demo: gr.Blocks) -> None:
    """End events whose messages are never read and forget their sessions; a client can join events without reading.

    Gradio keeps, for as long as it runs, a note of each session that has joined an event, and all messages of an event
    that goes on.
    """
    queue = demo._queue
    for session, mailbox in list(queue.pending_messages_per_session.items()):
        if isinstance(mailbox, _Mailbox) and mailbox.is_abandoned:
            await queue.clean_events(session_hash=session)
            queue.pending_messages_per_session.pop(session, None)
    for session in queue.pending_event_ids_session.keys() - queue.pending_messages_per_session.keys():
        del queue.pending_event_ids_session[session]


async def _forget_unread_regularly(demo: gr.Blocks) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        await forget_unread(demo)


@asynccontextmanager
async def running_queue(demo: gr.Blocks, app: Any) -> AsyncIterator[None]:
    """Start Gradio's queue before the port opens; `launch` starts it by a request after that."""
    demo._queue.pending_messages_per_session = _Mailboxes(MAX_SESSIONS)
    demo._queue.set_server_app(app)
    vars(demo._queue).update(QUEUE_PAUSES)
    demo.run_startup_events()  # type: ignore[no-untyped-call]
    demo.limiter = anyio.CapacityLimiter(POOL_THREADS)  # type: ignore[assignment]  # Gradio infers None
    await demo.run_extra_startup_events()  # type: ignore[no-untyped-call]
    app.startup_events_triggered = True
    sweeper = asyncio.create_task(_forget_unread_regularly(demo))
    try:
        yield
    finally:
        sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await sweeper


def close(demo: gr.Blocks) -> None:
    """End the event streams and the queue; the server itself is stopped elsewhere."""
    demo.close(verbose=False)


def put_middleware_first(app: Any, own: list[Middleware]) -> None:
    """Put `own` before Gradio's middleware, and remove its CORS, which lets every site in, with the visitor's cookies.

    Gradio takes middleware only behind its own; before the first request the order can still be changed.
    """
    rest = [
        middleware
        for middleware in app.user_middleware
        if middleware not in own and middleware.cls is not CustomCORSMiddleware
    ]
    app.user_middleware = [*own, *rest]
    app.middleware_stack = None  # built again with the next request


def map_gradio_errors(app: Any) -> None:
    """Answer 4xx where Gradio fails: for unknown endpoints, uploads that break off, values it does not expect."""

    async def unknown(_request: Request, _error: Exception) -> JSONResponse:
        message = "There is no such endpoint. /gradio_api/info describes those there are."
        return error_response(404, ErrorCode.ENDPOINT_UNKNOWN, message)

    async def cut_short(_request: Request, _error: Exception) -> JSONResponse:
        return error_response(400, ErrorCode.UPLOAD_CUT_SHORT, "The upload broke off. Try again.")

    async def invalid(_request: Request, error: Any) -> JSONResponse:
        # FastAPI's own answer repeats the input, and fails where that is not JSON, like NaN
        return JSONResponse({"detail": [{"loc": item["loc"], "msg": item["msg"]} for item in error.errors()]}, 422)

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        if not request.url.path.startswith("/gradio_api/"):
            raise error
        if isinstance(error, KeyError) and "/call/v2/" in request.url.path:
            return await unknown(request, error)
        log.warning("a request to Gradio could not be read: %s", type(error).__name__)
        return error_response(400, ErrorCode.INPUT_UNREADABLE, UNREADABLE)

    app.add_exception_handler(FnIndexInferError, unknown)
    app.add_exception_handler(ClientDisconnect, cut_short)
    app.add_exception_handler(RequestValidationError, invalid)
    for kind in (ValueError, TypeError, LookupError, AttributeError, RecursionError, httpx.InvalidURL):
        app.add_exception_handler(kind, unexpected)


def forget_api_info(scope: Scope) -> None:
    """Let the next `/gradio_api/info` be built again: Gradio keeps the host name of the first request."""
    scope["app"].api_info = None


def is_unknown_session(error: RuntimeError) -> bool:
    """True if a stream failed because Gradio found, after the answer had begun, that there is no such session."""
    return isinstance(error.__cause__, HTTPException)


def pending_events(demo: gr.Blocks, session: str) -> Collection[str]:
    """Ids of a session's events that are joined and not finished."""
    return demo._queue.pending_event_ids_session.get(session, ())


def override_url_fetch(demo: gr.Blocks, fetch: Callable[[str], Awaitable[str]]) -> None:
    """Let components download values that are URLs with `fetch`; Gradio's own download has no size limit."""

    def bounded(ordinary: Callable[[Any], Awaitable[str | None]]) -> Callable[[Any], Awaitable[str | None]]:
        async def move(source: str | Path | None) -> str | None:
            is_url = str(source).startswith(("http://", "https://"))
            return await (fetch(str(source)) if is_url else ordinary(source))

        return move

    for component in demo.blocks.values():
        if hasattr(component, "async_move_resource_to_block_cache"):
            component.async_move_resource_to_block_cache = bounded(component.async_move_resource_to_block_cache)  # type: ignore[assignment, method-assign]


def report_unreadable_values(demo: gr.Blocks) -> None:
    """Report too few values, or values of a wrong type, to the caller; Gradio only logs a failure."""
    preprocess_data, validate_inputs = demo.preprocess_data, demo.validate_inputs
    unreadable = gr.Error(f"{ErrorCode.INPUT_UNREADABLE}: {UNREADABLE}", print_exception=False)

    async def preprocess(endpoint: Any, inputs: list[Any], *args: Any, **named: Any) -> list[Any]:
        try:
            return await preprocess_data(endpoint, _with_defaults(endpoint, inputs), *args, **named)  # type: ignore[no-any-return]
        except gr.Error:
            raise
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            log.warning("values for %s could not be read: %s", endpoint.api_name, type(error).__name__)
            raise unreadable from None

    def validate(endpoint: Any, inputs: list[Any]) -> None:
        try:
            validate_inputs(endpoint, inputs)
        except ValueError:
            raise unreadable from None

    demo.preprocess_data = preprocess  # type: ignore[assignment, method-assign]
    demo.validate_inputs = validate  # type: ignore[assignment, method-assign]


def _with_defaults(endpoint: Any, inputs: list[Any]) -> list[Any]:
    """The values of a call, with the defaults of parameters that are newer than a program that sends them in order."""
    if len(inputs) >= len(endpoint.inputs):
        return inputs
    missing = list(inspect.signature(endpoint.fn).parameters.values())[len(inputs) : len(endpoint.inputs)]
    defaults = [parameter.default for parameter in missing]
    return inputs if inspect.Parameter.empty in defaults else [*inputs, *defaults]


def root_url(request: Request) -> str:
    """The app's URL as Gradio builds it for its own files, without a trailing slash."""
    return get_root_url(request, request.url.path, request.scope.get("root_path"))


def remove_space_badge(demo: gr.Blocks) -> None:
    """Leave out the box that Gradio puts on a Space's page, with fonts and numbers from other hosts."""
    demo.space_id = None


def can_sign_in_at_hugging_face() -> bool:
    """True if this is a Space with OAuth credentials (`hf_oauth: true` in its README)."""
    required = (oauth.OAUTH_CLIENT_ID, oauth.OAUTH_CLIENT_SECRET, oauth.OAUTH_SCOPES, oauth.OPENID_PROVIDER_URL)
    return bool(get_space()) and all(required)


def unused_script(path: str) -> bytes | None:
    """An empty module in place of a library that the page loads and never uses; None for other paths.

    Gradio's gallery imports a player of live video (hls.js), a sixth of all bytes of the first screen.
    """
    return _empty_module(path.rpartition("/")[2]) if UNUSED_SCRIPTS.fullmatch(path) else None


@lru_cache(8)
def _empty_module(name: str) -> bytes | None:
    script = Path(BUILD_PATH_LIB) / name
    if not script.is_file():
        return None
    exported = re.findall(r"\bas (\w+)", script.read_text().rpartition("export{")[2])
    return f"const unused=()=>{{}};export{{{','.join(f'unused as {name}' for name in exported)}}}".encode()


def event_field(event: gr.EventData, name: str) -> Any:
    """A field of what the browser sent with an event, None where there is none (gr.EventData raises then)."""
    return (event._data or {}).get(name)
