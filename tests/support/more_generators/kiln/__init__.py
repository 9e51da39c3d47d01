"""A second provider: a folder that is put beside `fal` and `local`, with a queue, prices and failures of its own.

The colour of a picture decides about its failure (`FAILURES_BY_COLOUR`): a batch can have every kind of failure.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from PIL import Image

from image2model.devtools.scripted_generator import plain_box_glb

from ...errors import Code
from ..base import Event, Finished, GenerationParams, Option, Queued, Running, Spec, Submitted, Submitting, Task
from ..failure_messages import FailureTemplate
from ..failure_rules import FailureRules, HostAlert, Remedy
from ..providers import Provider


class KilnErrorCode(Code):
    """The codes of this provider."""

    COLD = "kiln_cold"
    CRACKED = "kiln_cracked"
    DOOR_STUCK = "kiln_door_stuck"
    UNPAID = "kiln_unpaid"


COLD = FailureTemplate(KilnErrorCode.COLD, "The kiln went cold.", "It is lit again by itself.", True)
CRACKED = FailureTemplate(KilnErrorCode.CRACKED, "This object cracked in the kiln.", "Try a thicker one.")
DOOR_STUCK = FailureTemplate(KilnErrorCode.DOOR_STUCK, "The kiln's door is stuck.", "It is opened by itself.", True)
UNPAID = FailureTemplate(KilnErrorCode.UNPAID, "The wood is not paid for.", "Pay for it.")
RULES: Mapping[str, FailureRules] = {
    KilnErrorCode.COLD: FailureRules("generator", billed=False, retry="temporary"),
    KilnErrorCode.DOOR_STUCK: FailureRules("connection", collectable="automatic"),
    KilnErrorCode.UNPAID: FailureRules(
        "account",
        remedy=Remedy("link", "Pay for wood", "https://kiln.example/wood"),
        host_alert=HostAlert("The kiln gets no more wood.", "Pay for it."),
    ),
}
FAILURES_BY_COLOUR: Mapping[str, FailureTemplate] = {"red": COLD, "green": CRACKED, "blue": DOOR_STUCK, "black": UNPAID}


@dataclass
class ProviderState:
    """The provider's state: waiting jobs in the order of their arrival, and finished jobs."""

    queue: list[str] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    met: set[tuple[str, Code]] = field(default_factory=set)
    """Temporary failures that a colour has already met: they strike once."""

    def strikes(self, colour: str, failure: FailureTemplate) -> bool:
        """True if this failure strikes now."""
        struck = FAILURES_BY_COLOUR.get(colour) is failure and (colour, failure.code) not in self.met
        if struck and failure.retryable:
            self.met.add((colour, failure.code))
        return struck


class Kiln:
    """A generator that fires boxes, one after the other."""

    unavailable = ""
    key_mark = "host"

    def __init__(self) -> None:
        self.state = ProviderState()
        self.spec = Spec(
            id="kiln",
            name="Kiln",
            strengths="Boxes of clay.",
            usual_seconds=1.0,
            price=lambda params: Decimal("0.50") if params.options.get("glaze") else Decimal("0.20"),
            options=(Option("glaze", "Glaze", "bool", False),),
        )

    async def run(self, task: Task) -> AsyncIterator[Event]:
        """See `Generator`."""
        with Image.open(task.image) as image:
            pixel: Any = image.convert("RGB").getpixel((0, 0))
        colour = {(255, 0, 0): "red", (0, 128, 0): "green", (0, 0, 255): "blue", (0, 0, 0): "black"}.get(pixel, "white")
        if self.state.strikes(colour, UNPAID):
            raise UNPAID.error()
        remote = task.remote
        if remote is None:
            yield Submitting()
            remote = {"ticket": f"{colour} {next(self.state.numbers)}"}
            self.state.queue.append(remote["ticket"])
            yield Submitted(remote)
        while self.state.queue and self.state.queue[0] != remote["ticket"]:
            yield Queued(self.state.queue.index(remote["ticket"]))
            await asyncio.sleep(0.01)
        yield Running(0.5, "firing")
        if self.state.strikes(colour, DOOR_STUCK):
            raise DOOR_STUCK.error()
        self.state.queue.remove(remote["ticket"])
        for failure in (COLD, CRACKED):
            if self.state.strikes(colour, failure):
                raise failure.error()
        self.state.fired.append(remote["ticket"])
        glb = task.folder / "model.glb"
        glb.write_bytes(plain_box_glb())
        yield Finished(glb, cost=self.spec.price(GenerationParams(task.params.options)))

    async def check_key(self) -> str:
        """Accept any key: none is needed."""
        return ""

    def for_key(self, key: str) -> None:
        """No key is taken."""

    async def cancel(self, remote: Mapping[str, Any]) -> Any:
        """See `Generator`."""
        return "over"

    async def find(self, intent: Mapping[str, Any]) -> None:
        """Nothing is ever handed over without an answer."""

    async def refresh(self) -> None:
        """Prices are fixed."""

    async def close(self) -> None:
        """Nothing is held."""


PROVIDER = Provider(lambda settings, workers: [Kiln()], RULES)
