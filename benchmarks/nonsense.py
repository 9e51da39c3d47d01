"""Requests that no client would send, made from a seed, for Gradio's routes."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

TEXTS = ("", "x", "\0", "\ud800", "é" * 300, "../../etc/passwd", "http://127.0.0.1:1/", "NaN", "🜚")
NUMBERS = (0, -1, 1, 2**63, 2**70, 1e308, 0.5, float("nan"), float("inf"), -float("inf"))
KEYS = ("path", "url", "meta", "_type", "data", "orig_name", "size", "x", "__type__")
BODIES = ("", "{", "NaN", "[]", "null", '{"data": NaN}', "[" * 3000, "\0", '{"data": [1e999]}', '{"data": {"a": 1}}')
FIELDS = ("session_hash", "event_id", "fn_index", "trigger_id", "batched", "simple_format", "event_data")
ROUTES = (
    "run/{name}", "api/{name}", "call/{name}", "call/v2/{name}", "queue/join", "cancel", "reset", "upload",
    "component_server", "stream/{name}", "vibe-edit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Nonsense:
    """One request."""

    path: str
    content: bytes
    content_type: str


class Requests:
    """A row of requests, the same for the same seed; `names` and `numbers` are of the app's real functions."""

    def __init__(self, seed: int, names: list[str], numbers: list[int]) -> None:
        self._random = random.Random(seed)
        self._names, self._numbers = [*names, "nothing", "../x", "\0", "a/b"], numbers

    def one(self) -> Nonsense:
        """The next request."""
        choice = self._random.choice
        path = f"/gradio_api/{choice(ROUTES)}".format(name=quote(choice(self._names), safe=""))
        kinds = ["application/json"] * 8 + ["multipart/form-data", "multipart/form-data; boundary=x", "text/plain", ""]
        return Nonsense(path, self._body().encode("utf-8", "surrogatepass"), choice(kinds))

    def _body(self) -> str:
        if self._random.random() < 0.1:
            return self._random.choice(BODIES)
        data = (
            [self._value() for _ in range(self._random.randrange(6))] if self._random.random() < 0.8 else self._value()
        )
        fields = {name: self._field() for name in FIELDS if self._random.random() < 0.3}
        return json.dumps({"data": data, **fields})

    def _field(self) -> Any:
        return self._value() if self._random.random() < 0.6 else self._random.choice(self._numbers)

    def _value(self, depth: int = 0) -> Any:
        choice, kind = self._random.choice, self._random.randrange(8 if depth < 3 else 4)
        if kind < 4:
            return choice([None, choice((True, False)), choice(NUMBERS), choice(TEXTS)])
        if kind < 6:
            return [self._value(depth + 1) for _ in range(self._random.randrange(4))]
        if kind == 6:
            return {choice(KEYS): self._value(depth + 1) for _ in range(self._random.randrange(4))}
        return {"path": choice(["/etc/passwd", "x", 5, None]), "meta": {"_type": "gradio.FileData"}}
