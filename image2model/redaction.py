"""What no log line may tell: the secrets in use, whatever looks like one, and people's addresses."""

from __future__ import annotations

import hmac
import re
import threading
import weakref
from collections import Counter
from collections.abc import Iterable

MASK = "***"
SHORTEST = 4
"""Characters: whatever is shorter is no secret, and would turn up everywhere."""
WORD = 8
"""Characters below which a secret is masked only where it stands as a word of its own."""
SHAPES = (
    re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9a-f]{8,}", re.IGNORECASE),  # fal's keys
    re.compile(r"\bhf_[A-Za-z0-9]{16,}"),
    re.compile(r"(?<=\bbearer )[^\s\"',)]+", re.IGNORECASE),
    re.compile(r"(?<=\bbasic )[A-Za-z0-9+/=_-]{8,}", re.IGNORECASE),
    re.compile(r"(?<=authorization)(?P<before>[\"']?\s*[:=,]\s*b?[\"']?(?:\w+ )?)[^\s\"',)]+", re.IGNORECASE),
    re.compile(
        r"(?P<before>[?&;\s\"'](?:[\w.-]*(?:token|key|secret|password|signature|session_hash|__sign))=)[^&\s\"'#)]+",
        re.IGNORECASE,
    ),
)
"""What looks like a secret, in the middle of whatever; `before` stays."""

_lock = threading.RLock()  # an owner may be collected while it is held
_uses: Counter[str] = Counter()
_known: re.Pattern[str] | None = None


def hide(*secrets: str | None, owner: object | None = None) -> None:
    """Mask these secrets, and both halves of a pair with a colon, from now on; with `owner` for as long as it lives."""
    hidden = {part for secret in secrets if secret for part in (secret, *secret.split(":")) if len(part) >= SHORTEST}
    _count(hidden, 1)
    if owner is not None:
        weakref.finalize(owner, _count, hidden, -1).atexit = False


def masked(text: str) -> str:
    """The text with a mask in the place of each secret that is in use, and of whatever looks like one."""
    if _known:
        text = _known.sub(MASK, text)
    for shape in SHAPES:
        text = shape.sub(_behind, text)
    return text


def mark(secret: str, text: str) -> str:
    """Tells one text from another without giving it away; empty for an empty one."""
    return hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()[:16] if text else ""


def _behind(found: re.Match[str]) -> str:
    return found.groupdict().get("before", "") + MASK


def _count(secrets: Iterable[str], change: int) -> None:
    global _known
    with _lock:
        for secret in secrets:
            _uses[secret] += change
        longest_first = sorted((secret for secret, uses in _uses.items() if uses > 0), key=len, reverse=True)
        _known = re.compile("|".join(map(_pattern, longest_first))) if longest_first else None


def _pattern(secret: str) -> str:
    exact = re.escape(secret)
    return exact if len(secret) >= WORD else rf"(?<!\w){exact}(?!\w)"
