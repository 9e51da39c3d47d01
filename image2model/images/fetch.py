"""Pictures from the web: https only, bounded, and never from an address inside the host's own network.

safehttpx looks a name up once, refuses private addresses and connects to the very address it checked,
so a name that changes between check and use (DNS rebinding) gains nothing. Redirects are followed here,
each checked in the same way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import httpx
from safehttpx import AsyncSecureTransport, async_validate_url

from ..errors import ErrorCode, ImageRefused
from ..file_names import clean_name

MAX_REDIRECTS = 3
TIMEOUT = httpx.Timeout(10, read=20)

Transport = Callable[[str], Awaitable[httpx.AsyncBaseTransport]]


async def public_transport(url: str) -> httpx.AsyncBaseTransport:
    """A transport to the public address of an https URL's host; raises ImageRefused for any other."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise ImageRefused(ErrorCode.URL_REFUSED, "This address cannot be used.", "Give an https address of a picture.")
    try:
        address = await async_validate_url(parts.hostname)
        if not ip_address(address).is_global:  # carriers' and clouds' own networks count as public there
            raise ValueError(address)
    except (ValueError, OSError):
        raise ImageRefused(
            ErrorCode.URL_REFUSED, "This address does not lead to a public host.", "Give an https address of a picture."
        ) from None
    verified: httpx.AsyncBaseTransport = AsyncSecureTransport(address)
    return verified


async def fetch_image(url: str, destination: Path, max_bytes: int, transport: Transport = public_transport) -> str:
    """Download a picture of at most `max_bytes` bytes into the file `destination`; return its name.

    Raises ImageRefused: url_refused, url_unreachable, file_too_large.
    """
    try:
        for _ in range(MAX_REDIRECTS + 1):
            redirect = await _fetch_once(url, destination, max_bytes, await transport(url))
            if redirect is None:
                return clean_name(unquote(urlsplit(url).path).rstrip("/").rsplit("/", 1)[-1])
            url = urljoin(url, redirect)
    except httpx.HTTPError:
        raise _unreachable("did not answer") from None
    raise _unreachable("leads from one address to the next without end")


async def _fetch_once(url: str, destination: Path, max_bytes: int, transport: httpx.AsyncBaseTransport) -> str | None:
    """Stream one response to the file; return where it redirects to, None where it is the picture."""
    async with (
        httpx.AsyncClient(transport=transport, timeout=TIMEOUT, trust_env=False) as client,
        client.stream("GET", url, follow_redirects=False) as response,
    ):
        if response.is_redirect:
            return str(response.headers.get("location", ""))
        if response.status_code != httpx.codes.OK:
            raise _unreachable(f"answered with status {response.status_code}")
        size = 0
        with destination.open("wb") as file:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > max_bytes:
                    raise ImageRefused(
                        ErrorCode.FILE_TOO_LARGE,
                        f"The picture is larger than {max_bytes // 1_000_000} MB.",
                        "Use a smaller one.",
                    )
                file.write(chunk)
    return None


def _unreachable(reason: str) -> ImageRefused:
    return ImageRefused(ErrorCode.URL_UNREACHABLE, f"The address {reason}.", "Check it, or upload the picture itself.")
