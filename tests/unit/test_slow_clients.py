"""Slow senders, over real connections to uvicorn on loopback: each is cut off, and none delays another client."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from image2model.web.middleware import body_limits
from image2model.web.middleware.slow_client import HeaderTimeoutProtocol


class ShortTimeout(HeaderTimeoutProtocol):
    """Timeouts as short as a test wants them."""

    HEADER_TIMEOUT = 0.3
    MAX_PENDING = 5


class LongTimeout(HeaderTimeoutProtocol):
    """Timeouts longer than a test."""

    HEADER_TIMEOUT = 600.0
    MAX_PENDING = 5


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how the body ended, or at once on `/early`."""
    last = {"type": "none", "more_body": scope["path"] != "/early"}
    while last.get("more_body"):
        last = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"12")]})
    await send({"type": "http.response.body", "body": last["type"][-12:].rjust(12).encode()})


@contextlib.contextmanager
def serving(protocol: type[HeaderTimeoutProtocol]) -> Iterator[int]:
    """The port of the app behind that protocol and the limits on bodies."""
    limited = body_limits.BodyLimitMiddleware(app, max_upload_bytes=1_000_000)
    server = uvicorn.Server(uvicorn.Config(limited, port=0, http=protocol, lifespan="off", log_level="error"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A connection to that port."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        yield connection


def drip(connection: socket.socket, data: bytes) -> bytes:
    """Send a byte at a time for as long as the other side listens; return all that it answers."""
    connection.settimeout(0.05)
    answer = b""
    for byte in itertools.cycle(data):
        try:
            connection.sendall(bytes([byte]))
            if not (come := connection.recv(1000)):
                return answer
            answer += come
        except TimeoutError:
            continue
        except OSError:
            return answer
    raise AssertionError


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a server with short timeouts."""
    with serving(ShortTimeout) as port:
        yield port


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n"])
def test_headers_that_do_not_end_close_the_connection(server: int, begun: bytes):
    """Headers that come a byte at a time, before or after a good request, end in a closed connection, unanswered."""
    with connected(server) as connection:
        connection.sendall(begun)
        assert drip(connection, b"X-Header: x\r\n") == b""


def test_endless_headers_close_the_connection():
    """Headers are not kept beyond 64 kB, in a second request neither; a body that follows them may be larger."""
    with serving(LongTimeout) as port, connected(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
        answer = HTTPResponse(connection)
        answer.begin()
        assert (answer.status, len(answer.read())) == (200, 12)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 60_000)
        with contextlib.suppress(ConnectionError):  # closed while it is sent
            connection.sendall(b"x" * 60_000)
            assert connection.recv(1) == b""


def test_a_silent_client_is_disconnected(server: int):
    """A connection without a request is closed after its timeout, also after an answer."""
    with connected(server) as silent, connected(server) as polite:
        polite.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 200 " in drip(polite, b"GET /")
        assert silent.recv(1) == b""


def test_the_rest_of_an_unread_body_does_not_keep_the_connection(server: int):
    """After the answer, what is left of a body does not drip on for ever."""
    with connected(server) as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        assert b" 200 " in drip(connection, b"x")


def test_a_body_of_single_bytes_is_given_up(server: int, monkeypatch: pytest.MonkeyPatch):
    """A byte now and then does not keep a request alive: the app sees the sender as gone."""
    monkeypatch.setattr(body_limits, "BODY_TIMEOUT", 0.3)
    with connected(server) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        assert b"disconnect" in drip(connection, b"x")


def test_silent_connections_do_not_block_others():
    """The first of too many silent connections are closed at once, and both prompt and late requests are answered."""
    with serving(LongTimeout) as port, contextlib.ExitStack() as crowd:
        silent = [crowd.enter_context(connected(port)) for _ in range(12)]
        with connected(port) as prompt:
            prompt.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b" 200 " in prompt.recv(1000)
        assert [connection.recv(1) for connection in silent[:7]] == [b""] * 7
        silent[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 200 " in silent[-1].recv(1000)


@pytest.mark.parametrize(("size", "steady"), [(1, 0.0), (100_000, body_limits.BODY_TIMEOUT)])
async def test_only_slow_senders_run_out_of_time(size: int, steady: float):
    """A body that arrives fast enough may take any time; one that arrives in single bytes is cut off."""

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": bytes(size), "more_body": True}

    bounded = body_limits.BoundedReceive(receive, 1_000_000)
    left = [bounded.time_left]
    for _ in range(5):
        assert (await bounded())["type"] == "http.request"
        left.append(bounded.time_left)
    assert all(after == steady or after < before for before, after in itertools.pairwise(left))
