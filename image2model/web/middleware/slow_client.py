"""How long the server waits for somebody who connects and does not get on with it.

uvicorn waits for a request's head for as long as the connection lasts, so that a few hundred senders of a byte now and
then (slow loris) would keep everybody else out. A body that comes slowly is `security`'s.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


class Patient(H11Protocol):
    """A connection, which is closed where its request's head is not whole after `HEAD_SECONDS`.

    Whoever sends at once never waits for long; so where more than `MOST_WAITING` wait, the first of them has to go.
    """

    HEAD_SECONDS = 10.0
    MOST_WAITING = 200
    _waiting: ClassVar[dict[Patient, asyncio.TimerHandle]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()  # it was a part of a head, or of a body that nobody reads any more
        else:
            self._wait_no_longer()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self in self._waiting or self.transport.is_closing():
            return
        self._waiting[self] = self.loop.call_later(self.HEAD_SECONDS, self._give_up)
        if len(self._waiting) > self.MOST_WAITING:
            next(iter(self._waiting))._give_up()

    def _wait_no_longer(self) -> None:
        if timer := self._waiting.pop(self, None):
            timer.cancel()

    def _give_up(self) -> None:
        self._wait_no_longer()
        self.transport.close()
