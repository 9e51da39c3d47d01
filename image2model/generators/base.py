"""The interface of a generator: a description as data, and one async method that turns an image into a GLB.

A generator reports as a stream of events. The scheduler stores each event before it asks
for the next one, so everything a generator must find again after a crash (such as fal's request id) is
on disk before the generator takes its next step.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from ..errors import ErrorCode, OptionRefused

OptionKind = Literal["bool", "int", "float", "choice"]
Side = Literal["front", "back", "left", "right"]
"""Side from which a picture shows the object: its own left and right, as a person's."""
SIDES: tuple[Side, ...] = get_args(Side)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a generator, from which controls, validation and documentation are derived."""

    name: str
    label: str
    kind: OptionKind
    default: Any = None
    """None: left to the generator, and not sent unless chosen."""
    help: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None

    def check(self, value: Any) -> Any:
        """Return `value` in the option's own type; raise OptionRefused where it does not fit."""
        if value is None or value == "":
            return self.default
        if self.kind == "bool" and isinstance(value, bool):
            return value
        if self.kind == "choice" and value in self.choices:
            return value
        if self.kind in ("int", "float") and not isinstance(value, bool):
            try:
                number = float(value)
            except (TypeError, ValueError, OverflowError):
                number = float("nan")
            low = float("-inf") if self.minimum is None else self.minimum
            high = float("inf") if self.maximum is None else self.maximum
            whole = self.kind == "float" or number.is_integer()
            if low <= number <= high and abs(number) != float("inf") and whole:
                return number if self.kind == "float" else int(number)
        raise OptionRefused(
            ErrorCode.OPTION_OUT_OF_RANGE,
            f"{self.label} cannot be {value!r:.80}.",
            f"It takes {self.accepted_values()}.",
        )

    def accepted_values(self) -> str:
        """Describe the accepted values."""
        if self.kind == "bool":
            return "true or false"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        noun = "a whole number" if self.kind == "int" else "a number"
        if self.minimum is not None and self.maximum is not None:
            return f"{noun} from {self.minimum:,} to {self.maximum:,}"
        if self.minimum is not None:
            return f"{noun} of at least {self.minimum:,}"
        return noun


POSTPROCESS_FACE_LIMIT = Option(
    "face_limit", "Face limit", "int", minimum=100, maximum=5_000_000,
    help="This generator has no limit of its own: a lighter copy is made here, beside the original.",
)  # fmt: skip
"""The face limit of generators without one of their own: not sent to them, kept by decimating the finished mesh."""


@dataclass(frozen=True, slots=True)
class GenerationParams:
    """The checked options of one batch, its face limit, and whether a job has several views."""

    options: Mapping[str, Any] = field(default_factory=dict)
    face_limit: int | None = None
    multiview: bool = False
    """True if several sides of the object are sent together, for which some generators charge more."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A generator as people and programs see it."""

    id: str
    name: str
    strengths: str
    """Strengths of the generator in one line."""
    usual_seconds: float
    price: Callable[[GenerationParams], Decimal]
    """US dollars for one object with these parameters, however many of its sides are sent."""
    options: tuple[Option, ...] = ()
    face_limit: Option | None = None
    """The generator's own face option; `name` is the field it is sent as."""
    max_concurrency: int | None = None
    """Maximum number of images that this process runs concurrently; None if the provider has its own queue."""
    result_retention_seconds: float = 7 * 24 * 3600
    """Seconds for which the provider keeps a result to be collected."""
    result_is: str = "3D model"
    """Name of a result: a 3D model, or (local engine) an inflated preview."""
    sides: tuple[Side, ...] = ()
    """The sides of one object that it accepts in one job, in its own order; empty: a single picture of each object."""
    sides_positional: bool = False
    """True if sides are identified by position alone, so that none may be left out between others."""

    def check_sides(self, sides: Collection[Side]) -> None:
        """Raise OptionRefused where these sides of one object cannot be one job; the front alone always can."""
        if set(sides) == {"front"}:
            return
        if not self.sides:
            raise OptionRefused(
                ErrorCode.SIDES_NOT_TAKEN,
                f"{self.name} takes one picture of each object, not several sides of it.",
                "Send the front alone, or choose a generator that takes several sides.",
            )
        if unsupported := [side for side in sides if side not in self.sides]:
            raise OptionRefused(
                ErrorCode.SIDE_UNKNOWN,
                f"{self.name} does not take the {unsupported[0]}.",
                f"It takes {', '.join(self.sides)}.",
            )
        needed = self.sides[: len(sides)] if self.sides_positional else self.sides[:1]
        if missing := [side for side in needed if side not in sides]:
            raise OptionRefused(
                ErrorCode.SIDE_MISSING,
                f"{self.name} needs the {missing[0]} too.",
                f"It takes {', '.join(self.sides)}, in this order and without gaps."
                if self.sides_positional
                else "Say which picture shows the front.",
            )

    def check(self, options: Mapping[str, Any] | None, face_limit: float | str | None) -> GenerationParams:
        """Return the parameters with defaults filled in; raise OptionRefused where one does not fit."""
        remaining = dict(options or {})
        checked = {option.name: option.check(remaining.pop(option.name, None)) for option in self.options}
        if remaining:
            known = ", ".join(checked) or "none"
            raise OptionRefused(
                ErrorCode.OPTION_UNKNOWN,
                f"{self.name} has no option called {', '.join(sorted(map(repr, remaining)))}.",
                f"Its options: {known}.",
            )
        faces = (self.face_limit or POSTPROCESS_FACE_LIMIT).check(face_limit)
        return GenerationParams({name: value for name, value in checked.items() if value is not None}, faces)


@dataclass(frozen=True, slots=True)
class Task:
    """One object to generate a mesh of."""

    image: Path
    """The checked, upright PNG; of several sides the front."""
    folder: Path
    """A folder of this job's own, on the same file system as its final place."""
    params: GenerationParams
    remote: Mapping[str, Any] | None = None
    """The job at the provider that an earlier run stored with Submitted: continue it, never submit again."""
    sides: Mapping[Side, Path] = field(default_factory=dict)
    """The object's other sides, PNGs likewise; empty for generators that take one picture."""


@dataclass(frozen=True, slots=True)
class Uploading:
    """The picture is being uploaded to the generator."""


@dataclass(frozen=True, slots=True)
class Submitting:
    """The job is about to be submitted: until Submitted, it is unknown whether the provider has it.

    `intent` may find the job at the provider if no answer comes (see `Generator.find`).
    """

    intent: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Submitted:
    """The generator has accepted the job; `remote` finds it again after a restart."""

    remote: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Queued:
    """Waiting; `position` counts the jobs ahead, None where the generator does not say."""

    position: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """In progress; `fraction` (0 to 1) only where the generator itself reports it."""

    fraction: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Downloading:
    """The result is being downloaded; `fraction` (0 to 1) where the size is known."""

    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The complete GLB is in the task's folder."""

    glb: Path
    cost: Decimal | None = None
    """US dollars charged, where the generator reports it; None: as estimated."""


Event = Uploading | Submitting | Submitted | Queued | Running | Downloading | Finished


CancelOutcome = Literal["accepted", "over", "unknown"]
"""The provider will try to stop the job; it had ended before; the provider could not be asked."""


class Generator(Protocol):
    """Turns one object, a picture or several sides of it, into one GLB.

    Cancelling the task that iterates `run` stops the work.
    """

    @property
    def spec(self) -> Spec:
        """Name, options, price and limits."""
        ...

    @property
    def unavailable(self) -> str:
        """Reason why it is unavailable, in a sentence for people; empty if it is available."""
        ...

    def run(self, task: Task) -> AsyncIterator[Event]:
        """Yield events, the last one Finished; raise GenerationFailed if it fails."""
        ...

    @property
    def key_mark(self) -> str:
        """Pseudonym of the key in use; empty where none is used."""
        ...

    def for_key(self, key: str) -> Generator | None:
        """The same generator on a visitor's own key; None where it takes no key."""
        ...

    async def check_key(self) -> str | None:
        """Return why the provider does not accept the key; empty if it does, None if it does not say; never raises."""
        ...

    async def cancel(self, remote: Mapping[str, Any]) -> CancelOutcome:
        """Ask the provider to cancel a submitted job; never raises.

        A job in progress may end all the same, and be billed: go on watching it.
        """
        ...

    async def find(self, intent: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Find the job of a submit without an answer, as Submitted would have carried it; None: not found.

        Never raises. Not finding it proves nothing: the provider may list it later.
        """
        ...

    async def refresh(self) -> None:
        """Update prices and availability; never raises, and keeps the last known values."""
        ...

    async def close(self) -> None:
        """Free the generator's resources."""
        ...
