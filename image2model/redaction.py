"""Keeps secrets out of logs, and replaces addresses of people by pseudonyms."""

from __future__ import annotations

import hmac
import re
import threading
import weakref
from collections import Counter
from collections.abc import Iterable

MASK = "***"
MIN_LENGTH = 4
"""Characters; shorter values would match everywhere."""
WHOLE_WORD_BELOW = 8
"""Characters; a shorter secret is redacted only as a whole word."""
SECRET_PATTERNS = (
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
"""Pattern of secrets in any text; the group `before` is kept."""

_lock = threading.RLock()  # an owner may be collected while it is held
_secret_counts: Counter[str] = Counter()
_secrets_pattern: re.Pattern[str] | None = None


def register_secrets(*secrets: str | None, owner: object | None = None) -> None:
    """Redact these secrets, and both halves of an `id:secret`, from now on; with `owner` for as long as it lives."""
    hidden = {part for secret in secrets if secret for part in (secret, *secret.split(":")) if len(part) >= MIN_LENGTH}
    _change_uses(hidden, 1)
    if owner is not None:
        weakref.finalize(owner, _change_uses, hidden, -1).atexit = False


def redact(text: str) -> str:
    """Replace each registered secret, and all that looks like one, by MASK."""
    if _secrets_pattern:
        text = _secrets_pattern.sub(MASK, text)
    for shape in SECRET_PATTERNS:
        text = shape.sub(_keep_prefix, text)
    return text


def pseudonym(secret: str, text: str) -> str:
    """HMAC-SHA256 of `text` (16 hex digits), keyed with `secret`; empty for an empty text."""
    return hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()[:16] if text else ""


def _keep_prefix(match: re.Match[str]) -> str:
    return match.groupdict().get("before", "") + MASK


def _change_uses(secrets: Iterable[str], change: int) -> None:
    global _secrets_pattern
    with _lock:
        for secret in secrets:
            _secret_counts[secret] += change
        longest_first = sorted((secret for secret, uses in _secret_counts.items() if uses > 0), key=len, reverse=True)
        _secrets_pattern = re.compile("|".join(map(_pattern, longest_first))) if longest_first else None


def _pattern(secret: str) -> str:
    exact = re.escape(secret)
    return exact if len(secret) >= WHOLE_WORD_BELOW else rf"(?<!\w){exact}(?!\w)"
