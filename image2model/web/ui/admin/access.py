"""Authorization of the Admin tab: checked for each call, whatever the page shows."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import gradio as gr

from ....errors import Image2ModelError
from ....services import KeyAttempts
from ....settings import Settings
from ...gradio_compat import can_sign_in_at_hugging_face, event_field
from ...public_address import client_address
from ..event_options import HIDDEN


class HostRights:
    """Connects listeners so that they run for the host only.

    The host knows an admin key, or has signed in at Hugging Face under a name of ADMIN_USERS. `key` is the box in which
    the key is typed; it must be built before `connect` is called.
    """

    key: gr.Textbox

    def __init__(self, settings: Settings, attempts: KeyAttempts) -> None:
        self._attempts = attempts
        known = (settings.admin_api_key, settings.admin_password)
        self._keys = [key.get_secret_value().encode() for key in known if key]
        self._names = settings.admin_users.casefold().split() if can_sign_in_at_hugging_face() else []

    @property
    def by_key(self) -> bool:
        """True if a key opens the tab."""
        return any(self._keys)

    @property
    def by_name(self) -> bool:
        """True if it opens to users of Hugging Face."""
        return bool(self._names)

    def is_named(self, request: gr.Request, profile: gr.OAuthProfile | None) -> bool:
        """True if the request is from this app's page, signed in as one of ADMIN_USERS.

        The profile is from Gradio's session, a cookie signed with the Space's secret. Browsers also send it with
        requests of other sites, which must not act in the host's name.
        """
        same_origin = request.headers.get("sec-fetch-site") == "same-origin"
        return same_origin and profile is not None and profile.username.casefold() in self._names

    def connect(
        self,
        trigger: Callable[..., Any],
        handler: Callable[..., Awaitable[Any]],
        inputs: Sequence[Any] = (),
        outputs: Any = None,
        *,
        event: str | None = None,
        **more: Any,
    ) -> Any:
        """Run `handler(*values of inputs)` on `trigger` for the host, and nothing for anybody else.

        `event` names a field of the browser's event data; its value (None where there is none) then comes
        before the others. `handler` returns a value for one component, and a sequence of values for a list of them,
        even a list of one component. Image2ModelErrors are shown. Returns the trigger's dependency, for a `then`.
        """

        async def run(
            key: str, request: gr.Request, event_data: gr.EventData, profile: gr.OAuthProfile | None, *values: Any
        ) -> Any:
            if not self.is_named(request, profile):
                await self._check(key, request)
            first = [event_field(event_data, event)] if event else []
            try:
                result = await handler(*first, *values)
            except Image2ModelError as error:
                raise gr.Error(str(error), print_exception=False) from None
            return result[0] if isinstance(outputs, list) and len(outputs) == 1 else result

        return trigger(run, [self.key, *inputs], outputs, **{**HIDDEN, **more})

    async def _check(self, key: str, request: gr.Request) -> None:
        """Raise gr.Error unless this is an admin key, compared in constant time, or after too many wrong ones."""
        client = client_address(request)
        if await self._attempts.seconds_until_allowed(client):
            raise gr.Error("Too many tries. Wait a minute.", print_exception=False)
        given = str(key).encode(errors="replace")
        if not any(hmac.compare_digest(known, given) for known in self._keys if known):
            await self._attempts.record_failure(client, given)
            raise gr.Error("This is not the admin key.", print_exception=False)
        await self._attempts.record_success(client)
