"""Alert on an untrusted proxy in front of the app, with the setting that would trust it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from ..errors import ErrorCode

log = logging.getLogger(__name__)

FORGET_SECONDS = 900.0
"""Seconds without a forwarded request after which Admin no longer shows the alert."""


class UntrustedProxy:
    """The proxy whose forwarded headers were dropped last."""

    def __init__(self) -> None:
        self._address = ""
        self._last_seen = 0.0

    def record_peer(self, peer: str) -> None:
        """Remember the peer that forwards requests; log the first.

        Anybody on the internet can send forwarded headers: only an address of this machine or its networks counts as a
        proxy of the host's.
        """
        if not _is_private_address(peer):
            return
        if not self._address:
            log.warning("proxy not trusted: all its visitors count as one; set TRUSTED_PROXIES=%s if it is yours", peer)
        self._address, self._last_seen = peer, time.time()

    def alerts(self, now: float) -> Iterator[dict[str, Any]]:
        """The alert that Admin shows, as an entry of `AdminService.attention`."""
        if self._address and now - self._last_seen < FORGET_SECONDS:
            yield {
                "code": str(ErrorCode.PROXY_NOT_TRUSTED),
                "message": "Requests come through a proxy that is not trusted, so all its visitors count as one.",
                "hint": f"If it is yours, set TRUSTED_PROXIES={self._address}.",
                "count": 0,
                "last_seen": self._last_seen,
            }


def _is_private_address(peer: str) -> bool:
    try:
        return ip_address(peer.partition("%")[0]).is_private
    except ValueError:
        return False
