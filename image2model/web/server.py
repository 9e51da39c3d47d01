"""One server for the page and the files: Gradio's launch() with our routes, and a clean end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from uvicorn.config import HTTP_PROTOCOLS, LOGGING_CONFIG

from .. import __version__
from ..errors import SettingsError
from ..ops import log_config
from ..services import Studio
from ..settings import Settings, load
from .sign_in import sign_in

# Gradio reads these when it is imported: nothing leaves for another host, and no cache write after each event.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

log = logging.getLogger(__name__)

LAST_WORDS = 2
"""Seconds that open streams and downloads still get when the app stops: a Space kills what takes longer than ten."""
STATIC = Path(__file__).parent / "ui" / "static"


def main() -> None:
    """Run the app until SIGTERM or Ctrl-C; a wrong setting ends it with one line and status 2."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load()
        log_config.configure(settings)
        log.info("image2model %s starts", __version__)
        server = Server(settings)
        server.start()
    except SettingsError as error:
        print(f"image2model: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    stop.wait()
    log.info("image2model stops")
    server.stop()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)  # all is put away; threads of libraries would be waited for, longer than a Space waits


class Server:
    """The app: `start` returns when it answers, `stop` when everything is put away."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._sign_in = sign_in(settings.app_users)
        self.studio = Studio(settings)

    def start(self) -> None:
        """Build the page and serve it, with our own routes before Gradio's."""
        from .file_routes import routes
        from .middleware.security import doors
        from .middleware.stream_end_guard import Heard
        from .responses import LentFiles
        from .rest.app import mounted
        from .static_files import CompressedPages, static_files
        from .ui.assets import head
        from .ui.page import build
        from .ui.picture_cache import PictureCache
        from .ui.theme import theme

        LOGGING_CONFIG.clear()  # uvicorn would give its loggers handlers of their own
        LOGGING_CONFIG.update(version=1, disable_existing_loggers=False)
        HTTP_PROTOCOLS["auto"] = "image2model.web.middleware.slow_client:Patient"
        os.environ["FORWARDED_ALLOW_IPS"] = ""  # uvicorn believes nobody, `security` whom the settings name
        previews = PictureCache()
        self.demo = build(self.studio, previews)
        self._doors = [
            *doors(self.settings),
            Middleware(CompressedPages),
            Middleware(LentFiles, folders=self.studio.folders),
            Middleware(Heard, demo=self.demo),
        ]
        self.demo.queue(default_concurrency_limit=40, status_update_rate=5, max_size=2000)
        self.demo.launch(
            server_name=self.settings.host,
            server_port=self.settings.port or None,
            app_kwargs={
                "routes": [*routes(self.studio, previews), static_files(), mounted(self.studio)],
                "lifespan": self._lifespan,
                "middleware": self._doors,
            },
            prevent_thread_lock=True,
            auth=self._sign_in,
            auth_message="Sign in to image2model.",
            ssr_mode=False,
            run_history=False,
            enable_monitoring=False,
            max_threads=500,  # watchers are counted as threads, and are none
            state_session_capacity=500,
            max_file_size=f"{4 * self.settings.max_file_mb}mb",
            theme=theme(),
            head=head(),
            favicon_path=STATIC / "favicon.png",
            footer_links=[],
            quiet=True,
            show_error=False,
        )
        log.info("image2model is at %s", self.demo.local_url)

    def stop(self) -> None:
        """Stop serving, also where somebody watches; unfinished jobs go on at the next start."""
        self.demo.server.config.timeout_graceful_shutdown = LAST_WORDS
        self.demo.close(verbose=False)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Any) -> AsyncIterator[None]:
        from .middleware.security import blame_nobody_here, open_only

        blame_nobody_here(app)
        open_only(app, self._doors)
        await self.studio.start()
        try:
            yield
        finally:
            await self.studio.close()
