"""fal's connections over asyncio's streams: over TLS, with httpx's errors, and none used again that has ended."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import trustme

from image2model.devtools.local_services import free_port
from image2model.generators.fal.asyncio_backend import AsyncioStream, use_asyncio_streams

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[StreamReader, StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Answer connections with `serve`; yields the address."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as listening:
        host, port = listening.sockets[0].getsockname()
        yield f"http{'s' if tls else ''}://{host}:{port}/"


@asynccontextmanager
async def client(verify: ssl.SSLContext | bool = True, read_seconds: float = 5.0) -> AsyncIterator[httpx.AsyncClient]:
    """A client that connects over asyncio's streams."""
    async with httpx.AsyncClient(verify=verify, timeout=httpx.Timeout(5.0, read=read_seconds)) as one:
        use_asyncio_streams(one)
        yield one


def answers(body: bytes) -> Serve:
    """Answer every request with these bytes."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(body)
                await writer.drain()
        writer.close()

    return serve


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server at 127.0.0.1, and of a client that trusts it."""
    authority, theirs, ours = (
        trustme.CA(),
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        ssl.create_default_context(),
    )
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    return theirs, ours


async def test_megabytes_over_tls_come_whole():
    """An answer larger than all buffers, twice over one connection of asyncio's."""
    body = bytes(range(256)) * 8192
    theirs, ours = contexts()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with server(answers(answer), theirs) as address, client(ours) as one:
        first, second = await one.get(address), await one.get(address)
    assert first.content == second.content == body
    streams = [response.extensions["network_stream"] for response in (first, second)]
    assert isinstance(streams[0], AsyncioStream)
    assert streams[0] is streams[1]


async def test_unreachable_and_untrusted_hosts_are_connect_errors():
    """What fails before a request is sent is distinguished from what may have arrived: nothing was paid."""
    theirs, _ = contexts()
    async with server(answers(OK), theirs) as untrusted, client() as one:
        for address in (f"http://127.0.0.1:{free_port()}/", untrusted):
            with pytest.raises(httpx.ConnectError):
                await one.post(address)


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"", httpx.ReadTimeout), (OK[:-1], httpx.ReadTimeout), (b"no HTTP\r\n\r\n", httpx.RemoteProtocolError)],
)
async def test_bad_answers_are_no_connect_errors(answer: bytes, error: type[httpx.HTTPError]):
    """Silence, half an answer and nonsense come after the request: nobody knows what became of it."""
    async with server(answers(answer)) as address, client(read_seconds=0.1) as one:
        with pytest.raises(error):
            await one.post(address)


async def test_connection_with_an_unsolicited_answer_is_not_reused():
    """A server that says goodbye on an idle connection (status 408) does not answer the next request with that."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")

    async with server(serve) as address, client() as one:
        await one.post(address)
        await asyncio.sleep(0.1)
        assert (await one.post(address)).status_code == 200
