"""Multipart uploads, written to disk while they are read and bounded in size, count and time."""

from __future__ import annotations

import asyncio
import contextlib
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
from ...services import Picture, Services

READ_TIMEOUT = 20.0
"""Maximum seconds between two chunks."""
UPLOAD_TIMEOUT = 900.0
MAX_FIELDS = 50
MAX_FIELD_BYTES = 20_000
FILENAME_ESCAPES: Mapping[str, str] = {"%22": '"', "%0D": "\r", "%0A": "\n"}
"""Percent escapes of file names in forms (WHATWG HTML, multipart/form-data)."""


class UploadRefused(ImageRefused):
    """An upload that cannot be accepted; `details` has a reason for each file concerned."""

    def __init__(self, code: Code, message: str, hint: str, names: Iterable[str], reason: str) -> None:
        super().__init__(code, message, hint)
        self.details = {"files": [{"filename": clean_name(name), "code": code, "message": reason} for name in names]}


@dataclass(frozen=True, slots=True)
class UploadForm:
    """The files of a form in order, with their media types, and its other fields."""

    pictures: list[Picture]
    content_types: list[str]
    fields: dict[str, str]


@contextlib.asynccontextmanager
async def parse_upload(request: Request, services: Services, field: str, max_files: int) -> AsyncIterator[UploadForm]:
    """The files in `field` and the other fields of a form; the files are deleted when the block ends.

    Of a file above the size limit one byte more than the limit is kept. Raises UploadRefused for more than `max_files`
    files and for a truncated form, HTTPException 400 for a body that is not a form, 408 for a sender that is too slow.
    """
    async with services.uploads.folder() as folder:
        yield await _read_form(request, folder, field, services.limits.max_bytes, max_files)


async def _read_form(request: Request, folder: Path, field: str, max_bytes: int, max_files: int) -> UploadForm:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(400, "Send the files as multipart/form-data.")
    try:
        async with asyncio.timeout(UPLOAD_TIMEOUT), aclosing(_stream_body(request)) as body:
            return await _parse_form(DiskMultipartParser(request, body, folder, max_bytes, max_files), body, field)
    except TimeoutError:
        raise HTTPException(408, "The upload stood still for too long. Try again.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The upload broke off. Try again.") from None


async def _parse_form(parser: DiskMultipartParser, body: AsyncGenerator[bytes, None], field: str) -> UploadForm:
    try:
        form = await parser.parse()
    except MultiPartException as error:
        async for _ in body:  # a client that is still sending would not read the answer
            pass
        _refuse_too_many(list(parser.paths), parser.file_limit)
        raise HTTPException(400, f"This form cannot be read: {error.message}") from None
    parser.close()
    if not parser.complete:
        _refuse_cut_short(upload for upload in parser.paths if upload not in form.values())
    uploads = [item for item in form.getlist(field) if not isinstance(item, str)]
    _refuse_too_many(uploads, parser.file_limit)
    if not uploads:
        _refuse_none(parser.paths, field)
    return UploadForm(
        [Picture(parser.paths[upload], _file_name(upload)) for upload in uploads],
        [upload.content_type or "application/octet-stream" for upload in uploads],
        {key: value for key, value in form.items() if isinstance(value, str)},
    )


def _refuse_too_many(uploads: Sequence[UploadFile], max_files: int) -> None:
    if len(uploads) > max_files:
        limit = (
            f"At most {max_files} can be sent at a time"
            if max_files > 1
            else "One can be sent here; /upload takes more"
        )
        names = map(_file_name, uploads[max_files:])
        raise UploadRefused(
            ErrorCode.TOO_MANY_IMAGES, "These are too many files.", f"{limit}.", names, "It is one too many."
        )


def _refuse_none(other_files: Iterable[UploadFile], field: str) -> None:
    message, hint = f"There is no file in the form's field `{field}`.", "Put at least one picture there."
    raise UploadRefused(
        ErrorCode.NO_IMAGES, message, hint, map(_file_name, other_files), f"It is not in the field `{field}`."
    )


def _refuse_cut_short(unfinished: Iterable[UploadFile]) -> None:
    message, reason = "The upload broke off before its end.", "It did not come in whole."
    raise UploadRefused(ErrorCode.UPLOAD_CUT_SHORT, message, "Send it again.", map(_file_name, unfinished), reason)


def _file_name(upload: UploadFile) -> str:
    name = upload.filename or ""
    for escape, character in FILENAME_ESCAPES.items():
        name = name.replace(escape, character)
    return name


async def _stream_body(request: Request) -> AsyncGenerator[bytes, None]:
    """The chunks of the body; raises TimeoutError for a silent sender."""
    stream = request.stream()
    while True:
        async with asyncio.timeout(READ_TIMEOUT):
            chunk = await anext(stream, None)
        if chunk is None:
            return
        yield chunk


class DiskMultipartParser(MultiPartParser):
    """Starlette's parser, writing each file to disk, up to one byte more than the size limit."""

    def __init__(
        self, request: Request, body: AsyncGenerator[bytes, None], folder: Path, max_bytes: int, file_limit: int
    ) -> None:
        super().__init__(
            request.headers, body, max_files=10 * file_limit + 100, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        )
        self.folder, self.max_bytes, self.file_limit = folder, max_bytes, file_limit
        self.paths: dict[UploadFile, Path] = {}
        self.complete = False
        """True once the closing boundary has been read."""
        self._bytes_left = 0

    def on_headers_finished(self) -> None:
        """Open a file on disk for a new upload; beyond the allowed number its bytes are dropped."""
        super().on_headers_finished()
        upload = self._current_part.file
        if upload:
            path = self.folder / str(len(self.paths))
            upload.file.close()
            upload.file = path.open("w+b")
            self._files_to_close_on_error[-1] = upload.file  # type: ignore[call-overload]
            self._bytes_left = self.max_bytes + 1 if len(self.paths) < self.file_limit else 0
            self.paths[upload] = path

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Write the data within the limit."""
        if self._current_part.file:
            end = min(end, start + self._bytes_left)
            self._bytes_left -= end - start
        if end > start:
            super().on_part_data(data, start, end)

    def on_end(self) -> None:
        """Note the closing boundary."""
        self.complete = True

    def close(self) -> None:
        """Close the files."""
        for file in self._files_to_close_on_error:
            file.close()
