"""One server for the page, REST and files, with a clean start and end."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from .. import __version__
from ..allocator import PICTURE_BLOCK, return_freed_memory
from ..errors import ErrorCode, SettingsError
from ..ops import log_config
from ..services import Services
from ..settings import Settings, load
from .sign_in import password_check

# Gradio reads these when it is imported: they switch off requests to other hosts and the recording of events.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**9))
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

log = logging.getLogger(__name__)

SHUTDOWN_GRACE = 2
"""Seconds for open streams and downloads to end when the app stops: a Space kills it after ten."""
STATIC = Path(__file__).parent / "ui" / "static"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
MAX_OPEN_FILES = 65_536
"""Maximum number of open files that is requested; some systems set no limit."""
LAUNCH_OPTIONS: Mapping[str, Any] = {
    "auth_message": "Sign in to image2model.",
    "ssr_mode": False,
    "run_history": False,
    "enable_monitoring": False,
    "state_session_capacity": 500,
    "favicon_path": STATIC / "favicon.png",
    "footer_links": [],
    "show_error": False,
}
"""Launch options of Gradio that no setting changes."""
DEFAULT_PORTS = range(7860, 7960)
"""Ports that are tried in turn if none is set."""


def main() -> None:
    """Run the app until SIGTERM or Ctrl-C; a wrong setting ends it with one line and status 2."""
    return_freed_memory(PICTURE_BLOCK)
    gc.disable()  # until all is loaded: collections would free nothing and take an eighth of the start
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    raise_file_limit()
    try:
        settings = load()
        log_config.configure(settings)
        log_config.log_prints()
        log.info("image2model %s starts", __version__)
        server = Server(settings)
        server.start()
    except SettingsError as error:
        print(f"image2model: {error}", file=sys.__stderr__)
        raise SystemExit(2) from None
    stop.wait()
    log.info("image2model stops")
    server.stop()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)  # all is closed; the interpreter would wait for libraries' threads, longer than a Space waits


class Server:
    """The app: `start` returns when it answers, `stop` when everything is closed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._auth = password_check(settings.app_users)
        self.services = Services(settings, send=_sender(settings))
        self._failure: Exception | None = None

    def start(self) -> None:
        """Build the page and serve it, with our own routes before Gradio's; raises SettingsError for a taken port."""
        from .middleware.slow_client import HeaderTimeoutProtocol
        from .rest.app import prepare_routes

        listener = bind(self.settings.host, self.settings.port)
        self.url = _local_url(listener)
        config = uvicorn.Config(
            self._build_app(),
            http=HeaderTimeoutProtocol,
            proxy_headers=False,  # TrustedProxyMiddleware does that, by our settings
            log_config=None,  # uvicorn would give its loggers handlers of their own
            log_level="warning",
            timeout_graceful_shutdown=SHUTDOWN_GRACE,
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, args=[[listener]], name="server", daemon=True)
        self._thread.start()
        while not self._uvicorn.started:
            self._thread.join(0.01)
            if not self._thread.is_alive():
                raise self._failure or RuntimeError("The server ended at its start.")
        log.info("image2model is at %s", self.settings.public_url or self.url)
        for app in (self._api.api, self.demo.app):
            prepare_routes(app)  # the first to come need not wait for it
        warn_of_any_host(self.settings)

    def _build_app(self) -> ASGIApp:
        """Gradio's app with the page, our routes and the middleware."""
        from . import gradio_compat
        from .file_routes import file_routes
        from .rest.app import api_mount
        from .static_files import static_files
        from .ui.assets import head
        from .ui.page import build
        from .ui.picture_cache import PictureCache
        from .ui.theme import theme

        previews, self._api = PictureCache(), api_mount(self.services)
        self.demo = build(self.services, previews)
        self.demo.queue(default_concurrency_limit=40, status_update_rate=5, max_size=2000)
        self._middleware = self._all_middleware()
        app: ASGIApp = gradio_compat.create_app(
            self.demo,
            self.url,
            root_path=self.settings.public_url or None,
            app_kwargs={
                "routes": [*file_routes(self.services, previews), static_files(), self._api],
                "lifespan": self._lifespan,
                "middleware": self._middleware,
            },
            auth=self._auth,
            max_file_size=f"{4 * self.settings.max_file_mb}mb",
            theme=theme(),
            head=head(),
            **LAUNCH_OPTIONS,
        )
        return app

    def _all_middleware(self) -> list[Middleware]:
        """The middleware, the outermost first; the last ones are about Gradio's own responses."""
        from .middleware.file_lease import FileLeaseMiddleware
        from .middleware.link_previews import LinkPreviewMiddleware
        from .middleware.page_cache import PageCacheMiddleware
        from .middleware.stack import middleware_stack
        from .middleware.stream_end_guard import StreamEndMiddleware
        from .static_files import CompressedPages

        return [
            *middleware_stack(self.settings, self.services),
            Middleware(CompressedPages),
            Middleware(LinkPreviewMiddleware, services=self.services),
            Middleware(FileLeaseMiddleware, services=self.services),
            Middleware(StreamEndMiddleware, demo=self.demo),
            Middleware(PageCacheMiddleware),
        ]

    def stop(self) -> None:
        """Stop serving, also with open streams; unfinished jobs continue at the next start."""
        from . import gradio_compat

        gradio_compat.close(self.demo)
        self._uvicorn.should_exit = True
        self._thread.join(timeout=SHUTDOWN_GRACE + 3)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Any) -> AsyncIterator[None]:
        """Start the services and Gradio's queue; the port opens after that, and after the page has answered once."""
        from .gradio_compat import map_gradio_errors, put_middleware_first, running_queue

        map_gradio_errors(app)
        put_middleware_first(app, self._middleware)
        try:
            await self.services.start()
            async with running_queue(self.demo, app):
                await render_page(app, self.settings)
                gc.collect()
                gc.freeze()  # else each full collection visits all objects of libraries, 0.2 s
                gc.enable()
                yield
        except Exception as error:
            self._failure = error
            raise
        finally:
            await self.services.close()


async def render_page(app: ASGIApp, settings: Settings) -> None:
    """Render the page once, so that it is known to work; raises RuntimeError when it does not."""
    host = settings.allowed_hosts.split()[0].replace("*", "localhost")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}") as client:
        response = await client.get("/")
    if response.is_server_error:
        raise RuntimeError(f"The page answers with status {response.status_code}.")


def _sender(settings: Settings) -> Callable[[str, int, float], None] | None:
    """Function that sends tasks to a cluster's workers; None without a cluster."""
    if not settings.celery_broker_url:
        return None
    from ..worker.celery_app import sender  # an optional package

    return sender(settings)


def raise_file_limit() -> None:
    """Raise the limit of open files to the system's maximum; the default, often 1,024, serves a few hundred pages."""
    try:
        import resource
    except ImportError:  # Windows, which has none
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < limit:
        with contextlib.suppress(ValueError, OSError):  # macOS allows fewer than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def warn_of_any_host(settings: Settings) -> None:
    """Warn if the app is public and its URLs take the host name from the request."""
    if not settings.public_url and "*" in settings.allowed_hosts and settings.host not in LOOPBACK_HOSTS:
        log.warning("links use the Host header of each request: set PUBLIC_URL or ALLOWED_HOSTS")


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address, not listening yet; with port 0 to the first free one of `DEFAULT_PORTS`.

    Raises SettingsError where there is none.
    """
    reason = None
    for candidate in [port] if port else DEFAULT_PORTS:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host.strip("[]"), candidate))
        except OSError as error:
            listener.close()
            reason = error.strerror
        else:
            return listener
    hint = "HOST takes an address of this machine, PORT a free port."
    raise SettingsError(ErrorCode.SETTING_WRONG, f"HOST={host!r}, PORT={port}: {reason}.", hint)


def _local_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    name = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{name}:{port}/"
