"""Intake of pictures: grouped by object, checked, and stored in the batch's folder."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic_files import atomic_write
from ..errors import ErrorCode, ImageRefused, OptionRefused, PicturesRefused
from ..file_names import clean_name, group_by_object, split_side, unique_stems
from ..generators.base import SIDES, Side
from ..images import CheckedImage, ImageChecker
from ..jobs.models import Refusal, SidePicture
from ..jobs.storage.folders import Folders, picture_filename

BY_NAME = "by_name"
MAX_CONCURRENT_WRITES = 4
"""Objects whose pictures are written at the same time: the disk makes several files safe in the time of one."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A submitted picture: the path of its bytes, and the name of its file."""

    path: Path
    name: str
    sides: Mapping[Side, Picture] = field(default_factory=dict)
    """Pictures of the same object's other sides, where this is its front; together they are one job."""

    @property
    def by_side(self) -> dict[Side, Picture]:
        """Every picture of the object, the front first."""
        return {"front": self, **self.sides}


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A checked picture in the batch's folder, with its results' name and its object's other sides."""

    name: str
    stem: str
    sides: tuple[SidePicture, ...]


def group_sides(pictures: Sequence[Picture], sides: Any) -> list[Picture]:
    """Group the pictures of each object; an object takes the place of its front.

    `sides` is empty, "by_name" (cup_front.png, cup_back.png), or a list of objects, each with the numbers of its
    pictures from 1: [{"front": 1, "back": 2}]; also as JSON text. Raises OptionRefused for anything else.
    """
    if not sides:
        return list(pictures)
    objects = (
        group_by_object([picture.name for picture in pictures])
        if sides == BY_NAME
        else _parse_sides(sides, len(pictures))
    )
    fronts = {item["front"]: item for item in objects}
    elsewhere = {position for item in objects for side, position in item.items() if side != "front"}
    return [
        Picture(picture.path, picture.name, _other_sides(pictures, fronts.get(position, {})))
        for position, picture in enumerate(pictures)
        if position not in elsewhere
    ]


def _other_sides(pictures: Sequence[Picture], positions: Mapping[str, int]) -> dict[Side, Picture]:
    return {side: pictures[positions[side]] for side in SIDES if side != "front" and side in positions}


def _parse_sides(sides: Any, count: int) -> list[dict[str, int]]:
    """The sides of a request, as positions; raises OptionRefused."""
    try:
        given = json.loads(sides) if isinstance(sides, str) else sides
        objects = [{str(side): int(number) - 1 for side, number in item.items()} for item in given]
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise _sides_unreadable() from None
    positions = [position for item in objects for position in item.values()]
    known = all(set(item) <= set(SIDES) for item in objects) and all(0 <= position < count for position in positions)
    if not known or len(set(positions)) < len(positions):
        raise _sides_unreadable()
    if not all("front" in item for item in objects):
        raise OptionRefused(
            ErrorCode.SIDE_MISSING, "An object without its front cannot be made.", "Name its front too."
        )
    return objects


def _sides_unreadable() -> OptionRefused:
    return OptionRefused(
        ErrorCode.SIDES_UNREADABLE,
        "It is not clear which pictures show which sides.",
        'Write "by_name", or each object with the numbers of its pictures from 1: [{"front": 1, "back": 2}]; '
        "each picture once, sides being front, back, left and right.",
    )


async def store_pictures(
    folders: Folders, checker: ImageChecker, batch_id: str, pictures: Sequence[Picture], all_or_nothing: bool = False
) -> tuple[list[StoredImage], list[Refusal]]:
    """Check the pictures and write usable ones to the batch's folder; return these and the refusals of others.

    An object is accepted with all of its sides or not at all. Each is written as soon as it is checked, a few at the
    same time, so that few pictures are in memory and their waits for the disk overlap.

    Raises ImageRefused if no picture is left; and for `all_or_nothing` PicturesRefused when a single picture cannot be
    used; Unavailable if the object storage is.
    """
    kept: list[tuple[str, str, tuple[SidePicture, ...]]] = []
    refusals: list[Refusal] = []
    digests: set[bytes] = set()
    items = [(side.path, side.name) for picture in pictures for side in picture.by_side.values()]
    async with aclosing(checker.check_files(items)) as results, _concurrent_writes() as write:
        for picture in pictures:
            images = {side: await anext(results) for side in picture.by_side}
            good = {side: image for side, image in images.items() if isinstance(image, CheckedImage)}
            if len(good) < len(images):
                refusals += _refusals(picture, images)
                continue
            sides = tuple(SidePicture(side, image.name) for side, image in good.items() if side != "front")
            kept.append((good["front"].name, (split_side(picture.name)[0] if sides else "") or picture.name, sides))
            await write(_write_pictures, folders.new_job_folder(batch_id, len(kept)), good)
            digests.update(image.digest for image in good.values())
    checker.forget(digests)
    if all_or_nothing and refusals:
        raise PicturesRefused(
            [{"filename": refusal.name, "code": refusal.code, "message": refusal.message} for refusal in refusals]
        )
    if not kept:
        first = refusals[0]
        raise ImageRefused(
            ErrorCode.NO_USABLE_IMAGE, "None of these pictures can be used.", f"{first.name}: {first.message}"
        )
    stems = unique_stems([called for _, called, _ in kept])
    for number, stem in enumerate(stems, 1):
        folders.new_job_folder(batch_id, number).rename(folders.new_job_folder(batch_id, number, stem))
    await asyncio.to_thread(folders.keep, folders.batch(batch_id))
    return [StoredImage(name, stem, sides) for (name, _, sides), stem in zip(kept, stems, strict=True)], refusals


@asynccontextmanager
async def _concurrent_writes() -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Run functions in threads, MAX_CONCURRENT_WRITES at a time; the block ends with the last and raises theirs."""
    pending: deque[asyncio.Task[None]] = deque()

    async def write(function: Callable[..., None], *args: Any) -> None:
        pending.append(asyncio.create_task(asyncio.to_thread(function, *args)))
        if len(pending) == MAX_CONCURRENT_WRITES:
            await pending.popleft()

    try:
        yield write
        await asyncio.gather(*pending)
    finally:  # after an error, too: the folder is removed then
        await asyncio.gather(*pending, return_exceptions=True)


def _refusals(picture: Picture, images: Mapping[Side, CheckedImage | ImageRefused]) -> Iterable[Refusal]:
    """Refusals of an object, with the reason, and a note if its other sides are left out too."""
    front = clean_name(picture.name)
    for side, image in images.items():
        if isinstance(image, ImageRefused):
            others = f" So the object of {front} was left out with all its sides." if picture.sides else ""
            yield Refusal(clean_name(picture.by_side[side].name), image.code, f"{image}{others}")


def _write_pictures(folder: Path, images: Mapping[Side, CheckedImage]) -> None:
    folder.mkdir(parents=True)
    for side, image in images.items():
        atomic_write(folder / picture_filename(side, ending=image.suffix[1:]), image.data)
        atomic_write(folder / picture_filename(side, ending="webp"), image.thumbnail)
        if image.notes:
            atomic_write(folder / picture_filename(side, "notes", "json"), json.dumps(image.notes).encode())
