"""Requests and their callers, the same for the page, REST and Gradio's API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..generators.base import GenerationParams, Generator
from ..jobs.ledger import Buyer
from ..redaction import pseudonym
from .intake import Picture


@dataclass(frozen=True, slots=True)
class Caller:
    """Sender of a request; every field may be empty."""

    visitor: str = ""
    """Secret of the browser that may list the batch."""
    client: str = ""
    """IP address, which the host's limits count."""
    key: str = field(default="", repr=False)
    """The visitor's own key, used instead of the host's by generators that take one, and stored nowhere."""
    correlation_id: str = ""
    """Id of the request, for the logs."""

    def own_key_mark(self, generator: Generator) -> str:
        """Mark of the caller's own key, on which `generator` runs; empty on the host's."""
        return generator.key_mark if self.key.strip() else ""

    def as_buyer(self, generator: Generator, secret: str, otherwise: str = "") -> Buyer:
        """Payer of a request; `otherwise` replaces an unknown address. The address itself is not stored."""
        client = pseudonym(secret, self.client or self.visitor or otherwise)
        return Buyer(client, self.own_key_mark(generator))


ANONYMOUS_CALLER = Caller()


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """The pictures and options of a new batch."""

    pictures: Sequence[Picture]
    generator: str | None = None
    """Id of a generator, by default the one that the settings choose."""
    options: Mapping[str, Any] = field(default_factory=dict)
    face_limit: float | str | None = None
    cut_out: bool = False
    """True if the pictures are sent without their background."""
    all_or_nothing: bool = False
    """True if one unusable picture refuses them all."""
    idempotency_key: str = ""
    """The same key and contents from the same caller within a day are one batch; empty: each request makes one."""

    def fingerprint(self, generator: str, params: GenerationParams, key_mark: str) -> str:
        """SHA-256 (hex) of all that makes two requests the same; reads the pictures."""
        parts: list[Any] = [generator, params.options, params.face_limit, self.cut_out, self.all_or_nothing, key_mark]
        for picture in self.pictures:
            parts += [[side, view.name, _digest(view.path)] for side, view in picture.by_side.items()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    """SHA-256 (hex) of a file; empty for one that cannot be read, which is refused with its reason later."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
