"""Taking an upload in: onto the disk while it is read, and never more of it than may be."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from ...errors import Code, ErrorCode, ImageRefused
from ...file_names import clean_name
from ...services import Picture, Studio

READ_SECONDS = 20.0
"""How long the other side may be silent."""
UPLOAD_SECONDS = 900.0
MOST_FIELDS = 50
FIELD_BYTES = 20_000
ESCAPED: Mapping[str, str] = {"%22": '"', "%0D": "\r", "%0A": "\n"}
"""How programs write what a file's name in a form cannot hold (WHATWG, multipart/form-data)."""


class UploadRefused(ImageRefused):
    """This upload cannot be taken as it came; `details` has the reason of each file that it is for."""

    def __init__(self, code: Code, message: str, hint: str, names: Iterable[str], reason: str) -> None:
        super().__init__(code, message, hint)
        self.details = {"files": [{"filename": clean_name(name), "code": code, "message": reason} for name in names]}


@dataclass(frozen=True, slots=True)
class Received:
    """The files of a form in the order they came, with their media types, and its other fields."""

    pictures: list[Picture]
    content_types: list[str]
    fields: dict[str, str]


@contextlib.asynccontextmanager
async def received(request: Request, studio: Studio, name: str, most: int) -> AsyncIterator[Received]:
    """The files in field `name` and the other fields of a form, until the block ends.

    Of a file that is too large only so much is kept that it shows. Raises UploadRefused for more than `most` files and
    for a form without its end, HTTPException 400 for what is no form, 408 for too slow a sender.
    """
    folder = studio.folders.cache / f"rest-{uuid.uuid4().hex}"
    await asyncio.to_thread(folder.mkdir, parents=True)
    try:
        yield await _read(request, folder, name, studio.limits.max_bytes, most)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _read(request: Request, folder: Path, name: str, max_bytes: int, most: int) -> Received:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(400, "Send the files as multipart/form-data.")
    try:
        async with asyncio.timeout(UPLOAD_SECONDS), aclosing(_body(request)) as body:
            return await _parsed(Parser(request, body, folder, max_bytes, most), body, name)
    except TimeoutError:
        raise HTTPException(408, "The upload stood still for too long. Try again.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The upload broke off. Try again.") from None


async def _parsed(parser: Parser, body: AsyncGenerator[bytes, None], name: str) -> Received:
    try:
        form = await parser.parse()
    except MultiPartException as error:
        async for _ in body:  # a sender that is still busy would not see the answer
            pass
        _refuse_too_many(list(parser.paths), parser.most)
        raise HTTPException(400, f"This form cannot be read: {error.message}") from None
    parser.close()
    if not parser.ended:
        _refuse_cut_short(upload for upload in parser.paths if upload not in form.values())
    uploads = [item for item in form.getlist(name) if not isinstance(item, str)]
    _refuse_too_many(uploads, parser.most)
    if not uploads:
        _refuse_none(parser.paths, name)
    return Received(
        [Picture(parser.paths[one], _file_name(one)) for one in uploads],
        [one.content_type or "application/octet-stream" for one in uploads],
        {key: value for key, value in form.items() if isinstance(value, str)},
    )


def _refuse_too_many(uploads: Sequence[UploadFile], most: int) -> None:
    if len(uploads) > most:
        limit = f"At most {most} can be sent at a time" if most > 1 else "One can be sent here; /upload takes more"
        names = map(_file_name, uploads[most:])
        raise UploadRefused(
            ErrorCode.TOO_MANY_IMAGES, "These are too many files.", f"{limit}.", names, "It is one too many."
        )


def _refuse_none(elsewhere: Iterable[UploadFile], name: str) -> None:
    message, hint = f"There is no file in the form's field `{name}`.", "Put at least one JPEG or PNG there."
    raise UploadRefused(
        ErrorCode.NO_IMAGES, message, hint, map(_file_name, elsewhere), f"It is not in the field `{name}`."
    )


def _refuse_cut_short(unfinished: Iterable[UploadFile]) -> None:
    message, reason = "The upload broke off before its end.", "It did not come in whole."
    raise UploadRefused(ErrorCode.UPLOAD_CUT_SHORT, message, "Send it again.", map(_file_name, unfinished), reason)


def _file_name(upload: UploadFile) -> str:
    name = upload.filename or ""
    for written, meant in ESCAPED.items():
        name = name.replace(written, meant)
    return name


async def _body(request: Request) -> AsyncGenerator[bytes, None]:
    """What the other side sends, as long as it does not fall silent."""
    stream = request.stream()
    while True:
        try:
            yield await asyncio.wait_for(anext(stream), READ_SECONDS)
        except StopAsyncIteration:
            return


class Parser(MultiPartParser):
    """Starlette's, with each file in a file of its own that never grows beyond one byte more than is allowed."""

    def __init__(
        self, request: Request, body: AsyncGenerator[bytes, None], folder: Path, max_bytes: int, most: int
    ) -> None:
        super().__init__(
            request.headers, body, max_files=10 * most + 100, max_fields=MOST_FIELDS, max_part_size=FIELD_BYTES
        )
        self.folder, self.max_bytes, self.most = folder, max_bytes, most
        self.paths: dict[UploadFile, Path] = {}
        self.ended = False
        """Whether the form's own end has come."""
        self._left = 0

    def on_headers_finished(self) -> None:
        """Give a new file its place on the disk, and room only where it may be one of the batch."""
        super().on_headers_finished()
        upload = self._current_part.file
        if upload:
            path = self.folder / str(len(self.paths))
            upload.file.close()
            upload.file = path.open("w+b")
            self._files_to_close_on_error[-1] = upload.file  # type: ignore[call-overload]
            self._left = self.max_bytes + 1 if len(self.paths) < self.most else 0
            self.paths[upload] = path

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Keep what there is still room for."""
        if self._current_part.file:
            end = min(end, start + self._left)
            self._left -= end - start
        if end > start:
            super().on_part_data(data, start, end)

    def on_end(self) -> None:
        """Note that the form is whole."""
        self.ended = True

    def close(self) -> None:
        """Write out and close the files."""
        for file in self._files_to_close_on_error:
            file.close()
