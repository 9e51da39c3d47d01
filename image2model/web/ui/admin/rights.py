"""Who is the host: every function of the Admin tab asks here, whatever the page shows."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import gradio as gr

from ....errors import Image2ModelError
from ....settings import Settings
from ...address import client_of
from ...security import Throttle

CLOSED = "Admin is closed here. The host opens it by setting `ADMIN_PASSWORD` and starting the app again."


class Rights:
    """Connects what the tab can do to what is pressed, so that nothing runs for others than the host.

    `key` is the box in which the admin key is typed; it must be built before `on` is called.
    """

    key: gr.Textbox

    def __init__(self, settings: Settings) -> None:
        known = (settings.admin_api_key, settings.admin_password)
        self._keys = [key.get_secret_value().encode() for key in known if key]
        self._tries = Throttle()

    @property
    def by_key(self) -> bool:
        """Whether a key opens the tab."""
        return any(self._keys)

    def on(
        self,
        trigger: Callable[..., Any],
        work: Callable[..., Awaitable[Any]],
        inputs: Sequence[Any] = (),
        outputs: Any = None,
        *,
        event: str | None = None,
        **more: Any,
    ) -> Any:
        """When `trigger` happens, run `work(*values of inputs)` for the host, and nothing for anybody else.

        `event` names a field of what the browser tells of the event; its value (None where there is none) then comes
        before the others. `work` answers a value for one component, and a sequence of values for a list of them, be it
        of one. Errors of ours are shown. Returns what the trigger returns, for a `then`.
        """

        async def run(key: str, request: gr.Request, told: gr.EventData, *values: Any) -> Any:
            self._check(key, request)
            first = [(told._data or {}).get(event)] if event else []
            try:
                answer = await work(*first, *values)
            except Image2ModelError as error:
                raise gr.Error(str(error), print_exception=False) from None
            return answer[0] if isinstance(outputs, list) and len(outputs) == 1 else answer

        hidden = {"api_visibility": "private", "show_progress": "hidden"}
        return trigger(run, [self.key, *inputs], outputs, **{**hidden, **more})

    def _check(self, key: str, request: gr.Request) -> None:
        """Raise gr.Error unless this is an admin key, compared in constant time, or after too many wrong ones."""
        client = client_of(request)
        if not self._tries.may_try(client):
            raise gr.Error("Too many tries. Wait a minute.", print_exception=False)
        if not any(hmac.compare_digest(known, str(key).encode()) for known in self._keys if known):
            self._tries.tried(client)
            raise gr.Error("This is not the admin key.", print_exception=False)
