"""fal's hosts: the one place that names them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class FalHosts:
    """fal's addresses, without a slash at the end. The key is sent to `queue`, `rest` and `api` and nowhere else."""

    queue: str = "https://queue.fal.run"
    run: str = "https://fal.run"
    rest: str = "https://rest.fal.ai"
    cdn: str = "https://v3.fal.media"
    results: tuple[str, ...] = ("https://fal.media", "https://*.fal.media")
    """The origins that results are fetched from; `*.` stands for any host of the domain."""
    api: str = "https://api.fal.ai"

    @classmethod
    def at(cls, base_url: str) -> FalHosts:
        """All of fal at one address, a stand-in's; fal itself for an empty one."""
        base = base_url.strip().rstrip("/")
        return cls(base, f"{base}/run", base, base, (base,), base) if base else cls()

    def is_queue(self, url: object) -> bool:
        """True if `url` is of fal's job queue, and may be shown the key."""
        return isinstance(url, str) and _origin(url) == _origin(self.queue)

    def is_result(self, url: object) -> bool:
        """True if `url` is of fal's storage of results."""
        return isinstance(url, str) and any(_covers(pattern, _origin(url)) for pattern in self.results)


Origin = tuple[str, str, int]


def _covers(pattern: str, origin: Origin | None) -> bool:
    expected = _origin(pattern.replace("*.", "", 1))
    if origin is None or expected is None or "*." not in pattern:
        return origin is not None and origin == expected
    return (origin[0], origin[2]) == (expected[0], expected[2]) and origin[1].endswith(f".{expected[1]}")


def _origin(url: str) -> Origin | None:
    """Scheme, host and port; None for what is no plain web address (a name and password in it, say)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or "\\" in url:
        return None
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}[parts.scheme]
