"""The streamed zip: what is in it, and what happens when its files go away."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from image2model.errors import NotFound
from image2model.jobs.storage.archive import BLOCK, ZipEntry, ZipStream, stream_zip, zip_names

PIECE = os.urandom(BLOCK)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of these bytes and return its path."""

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def opened(stream: ZipStream) -> zipfile.ZipFile:
    """The whole zip, read back."""
    data = b"".join(stream.chunks)
    assert len(data) == stream.size
    return zipfile.ZipFile(io.BytesIO(data))


def test_zip_contains_files_and_manifest(write: Callable[..., Path]) -> None:
    """Contents, names in any script and the manifest come out as they went in, and the announced size is right."""
    entries = [ZipEntry(write("a", PIECE * 3), "椅子 🪑.glb"), ZipEntry(write("b", b""), "thumbnails/Stühle.webp")]
    manifest = {"jobs": [{"name": "椅子 🪑.jpg", "error": None}]}
    archive = opened(stream_zip(entries, manifest))
    assert archive.testzip() is None
    assert archive.namelist() == ["manifest.json", "椅子 🪑.glb", "thumbnails/Stühle.webp"]
    assert archive.read("椅子 🪑.glb") == PIECE * 3
    assert json.loads(archive.read("manifest.json")) == manifest
    assert "椅子".encode() in archive.read("manifest.json")


def test_unzip_unpacks_it(write: Callable[..., Path], tmp_path: Path) -> None:
    """Another program than Python's zipfile finds nothing wrong either."""
    (tmp_path / "batch.zip").write_bytes(b"".join(stream_zip([ZipEntry(write("a", PIECE), "chair.glb")], {}).chunks))
    done = subprocess.run(["unzip", "-t", tmp_path / "batch.zip"], capture_output=True, text=True, check=False)
    assert (done.returncode, "No errors detected" in done.stdout) == (0, True)


def test_entries_are_stored_and_as_old_as_their_files(write: Callable[..., Path]) -> None:
    """Nothing is compressed, and the time of an entry is its file's."""
    path = write("a", bytes(100_000))
    made = time.mktime((2024, 2, 29, 13, 14, 16, 0, 0, -1))
    os.utime(path, (made, made))
    info = opened(stream_zip([ZipEntry(path, "a.glb")], {})).getinfo("a.glb")
    assert (info.compress_type, info.compress_size) == (zipfile.ZIP_STORED, 100_000)
    assert info.date_time == (2024, 2, 29, 13, 14, 16)


def test_a_zip_can_be_unpacked_as_a_stream(write: Callable[..., Path]) -> None:
    """Sizes and checksums stand before each entry, and what is unpacked may be read by everybody."""
    data = b"".join(stream_zip([ZipEntry(write("cat.glb", b"cat"), "cat.glb")], {}).chunks)
    for info in zipfile.ZipFile(io.BytesIO(data)).infolist():
        flags, _, _, _, crc, packed, size = struct.unpack_from("<HHHHLLL", data, info.header_offset + 6)
        assert (flags & 8, crc, packed, size) == (0, info.CRC, info.file_size, info.file_size)
        assert info.external_attr >> 16 & 0o777 == 0o644


def test_zip_of_an_empty_batch_has_its_manifest() -> None:
    """A batch in which everything failed still brings its reasons home."""
    assert opened(stream_zip([], {"failed": 3})).namelist() == ["manifest.json"]


@pytest.mark.parametrize(
    ("asked", "given_names"),
    [
        (["chair.glb", "chair.glb", "CHAIR.glb"], ["chair.glb", "chair-2.glb", "CHAIR-3.glb"]),
        (["thumbnails/a.webp", "thumbnails/a.webp"], ["thumbnails/a.webp", "thumbnails/a-2.webp"]),
        (["manifest.json"], ["manifest-2.json"]),
        (["../../etc/passwd", "/etc/passwd"], ["etc/passwd", "etc/passwd-2"]),
        (["..\\..\\boot.ini", "C:\\boot.ini"], ["boot.ini", "C_/boot.ini"]),
        (["a/./b//c"], ["a/b/c"]),
        (["..", "", "/"], ["file", "file-2", "file-3"]),
        (['a"b|c?.glb', "nul\0byte.glb", "line\nbreak.glb"], ["a_b_c_.glb", "nul_byte.glb", "line_break.glb"]),
        (["\udcff.glb"], ["_.glb"]),
        (["folder. /file."], ["folder/file"]),
    ],
)
def test_names_are_made_safe_and_unique(asked: list[str], given_names: list[str]) -> None:
    """A name can neither leave the folder it is unpacked in, nor hide another, nor stop a system from unpacking."""
    assert zip_names(asked) == given_names


@given(st.lists(st.text(st.characters(), max_size=30), max_size=8))
def test_any_names_give_distinct_paths_within_the_folder(names: list[str]) -> None:
    """Paths in the zip are relative, without `..`, encodable and distinct for any names."""
    safe = zip_names(names)
    assert len({name.casefold() for name in safe}) == len(names)
    for name in safe:
        parts = PurePosixPath(name).parts
        assert parts
        assert not {"/", "..", "."}.intersection(parts)
        assert "\\" not in name
        name.encode()


def test_missing_file_is_an_error_before_the_first_byte(write: Callable[..., Path], tmp_path: Path) -> None:
    """A file that is gone already is an answer with a status, not half a download."""
    with pytest.raises(NotFound, match=r"chair\.glb"):
        stream_zip([ZipEntry(tmp_path / "gone", "chair.glb")], {})


def remove(path: Path) -> None:
    """The file is deleted."""
    path.unlink()


def shorten(path: Path) -> None:
    """The file loses its end."""
    os.truncate(path, 10)


def lengthen(path: Path) -> None:
    """The file grows."""
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("damage", [remove, shorten, lengthen])
def test_file_changed_during_download_breaks_the_stream(
    write: Callable[..., Path], damage: Callable[[Path], None]
) -> None:
    """A file that goes or changes while the zip is sent ends it with an error, and what was sent is no zip."""
    entries = [ZipEntry(write(name, PIECE), f"{name}.glb") for name in "abc"]
    stream = stream_zip(entries, {})
    sent = [next(stream.chunks)]
    damage(entries[2].path)
    with pytest.raises((OSError, RuntimeError)):
        sent.extend(stream.chunks)
    assert not zipfile.is_zipfile(io.BytesIO(b"".join(sent)))


@pytest.fixture
def served(write: Callable[..., Path]) -> Iterator[tuple[str, list[ZipEntry]]]:
    """A web server whose only page is the zip of these files."""
    entries = [ZipEntry(write(name, PIECE), f"{name}.glb") for name in "abc"]
    for entry in entries:
        os.truncate(entry.path, 16_000_000)  # what lies in socket buffers is less

    async def download(_request: Request) -> StreamingResponse:
        stream = stream_zip(entries, {})
        return StreamingResponse(stream.chunks, headers={"Content-Length": str(stream.size)})

    app = Starlette(routes=[Route("/zip", download)])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/zip", entries
        server.should_exit = True
        thread.join()


def test_download_over_http_is_whole(served: tuple[str, list[ZipEntry]]) -> None:
    """A real web server sends the size first and then the zip."""
    address, entries = served
    answer = httpx.get(address)
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert zipfile.ZipFile(io.BytesIO(answer.content)).read("c.glb") == entries[2].path.read_bytes()


def test_download_breaks_when_a_file_vanishes(served: tuple[str, list[ZipEntry]]) -> None:
    """The receiver learns from its own HTTP library that the download did not end well."""
    address, entries = served
    with httpx.stream("GET", address) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        entries[2].path.unlink()
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
