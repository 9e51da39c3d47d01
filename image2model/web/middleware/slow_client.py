"""Limits on request headers.

uvicorn waits for them for as long as the connection lasts, so that a few hundred senders of a byte now and then (slow
loris) would keep everybody else out; and it keeps whatever it is sent of them. Slow bodies: see `body_limits`.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HeaderTimeoutProtocol(HttpToolsProtocol):
    """HTTP/1.1 connection, closed when a request's headers are not complete after `HEADER_TIMEOUT` seconds.

    Of more than `MAX_PENDING` such connections the oldest is closed: an honest client is never among them for long.
    Headers of more than `MAX_HEADER_BYTES` close it, too.
    """

    HEADER_TIMEOUT = 10.0
    MAX_HEADER_BYTES = 65_536
    MAX_PENDING = 600
    _pending: ClassVar[dict[HeaderTimeoutProtocol, asyncio.TimerHandle]] = {}
    _header_bytes: int | None = 0
    """Bytes that came since headers began; None while none are read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._start_timer()

    def on_message_begin(self) -> None:
        """See httptools.HttpRequestParser."""
        super().on_message_begin()
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        """See httptools.HttpRequestParser."""
        self._header_bytes = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        if self._header_bytes is not None:
            self._header_bytes += len(data)
            if self._header_bytes > self.MAX_HEADER_BYTES:
                self._close()
        if self.cycle is None or self.cycle.response_complete:
            self._start_timer()  # part of headers, or of a body that is no longer read
        else:
            self._cancel_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._cancel_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        if self in self._pending or self.transport.is_closing():
            return
        self._pending[self] = self.loop.call_later(self.HEADER_TIMEOUT, self._close)
        if len(self._pending) > self.MAX_PENDING:
            next(iter(self._pending))._close()

    def _cancel_timer(self) -> None:
        if timer := self._pending.pop(self, None):
            timer.cancel()

    def _close(self) -> None:
        self._cancel_timer()
        self.transport.close()
