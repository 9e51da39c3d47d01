"""Helpers for attacks on the running app: raw bytes, Gradio's functions by number, forged files."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from image2model.devtools.app_process import ADMIN_KEY
from tests.support.browser import App

PASSWORD = "the host's password"
FRIEND = "https://shop.example"
INSIDE = ("root:x:0", "SQLite format", "[project]", ADMIN_KEY, PASSWORD, "Traceback", "site-packages")
"""What an answer to an attack must never hold."""


def secrets_in(answer: str) -> list[str]:
    """Secrets that an answer reveals."""
    return [secret for secret in INSIDE if secret in answer]


def connect(app: App) -> socket.socket:
    """A connection to the app."""
    return socket.create_connection(("127.0.0.1", int(app.url.rpartition(":")[2])), timeout=60)


def raw(app: App, request: bytes) -> bytes:
    """The first of the answer to bytes that no client would send."""
    with connect(app) as connection:
        connection.sendall(request)
        return connection.recv(65536)


def get_as_written(app: App, target: str, *headers: str) -> tuple[int, str]:
    """Status and text of a GET whose target is sent as it stands."""
    lines = [f"GET {target} HTTP/1.1", *(headers or ("Host: 127.0.0.1",)), "Connection: close", "", ""]
    answer = raw(app, "\r\n".join(lines).encode())
    return int(answer.split()[1]), answer.decode(errors="replace")


def client_from(app: App, number: int) -> httpx.Client:
    """A client at 127.0.0.`number`, an address whose forwarded headers are not trusted."""
    transport = httpx.HTTPTransport(local_address=f"127.0.0.{number}")
    return httpx.Client(base_url=app.url, timeout=120, transport=transport)


def call(visitor: httpx.Client, name: str, *data: Any) -> str:
    """Answer to a call of a named endpoint, as text."""
    started = visitor.post(f"/gradio_api/call/{name}", json={"data": list(data)})
    if started.status_code != 200:
        return started.text
    return visitor.get(f"/gradio_api/call/{name}/{started.json()['event_id']}").text


def uploaded(visitor: httpx.Client, name: str, content: bytes) -> str:
    """Path of an upload on the server."""
    return str(visitor.post("/gradio_api/upload", files={"files": (name, content)}).json()[0])


def file(path: object, **more: Any) -> dict[str, Any]:
    """A file as a page sends it."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}, **more}


class Functions:
    """Every function of the page, private ones too, as listed in its public configuration."""

    def __init__(self, visitor: httpx.Client) -> None:
        config = visitor.get("/config").json()
        self._visitor = visitor
        self.all: list[dict[str, Any]] = [function for function in config["dependencies"] if function["backend_fn"]]
        self._components = {component["id"]: component for component in config["components"]}
        self._inside: dict[int, set[int]] = {}
        self._note(config["layout"])

    def _note(self, node: Mapping[str, Any]) -> set[int]:
        below = {node["id"], *(part for child in node.get("children") or [] for part in self._note(child))}
        self._inside[node["id"]] = below
        return below

    def of(self, elem_id: str) -> list[dict[str, Any]]:
        """Functions that use or listen to the component of this id, components inside it, or any called `<id>-…`."""
        named = [
            component["id"]
            for component in self._components.values()
            if f"{component['props'].get('elem_id')}-".startswith(f"{elem_id}-")
        ]
        parts = {part for number in named for part in self._inside.get(number, {number})}
        return [function for function in self.all if parts & set(_touched(function))]

    def data(self, function: Mapping[str, Any], values: Mapping[str, Any]) -> list[Any]:
        """Arguments as the page would send them: the components' own values, but these by elem_id or type."""
        return [self._value(self._components[number], values) for number in function["inputs"]]

    @staticmethod
    def _value(component: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        props = component["props"]
        return values.get(str(props.get("elem_id")), values.get(component["type"], props.get("value")))

    def answers(
        self, function: Mapping[str, Any], values: Mapping[str, Any], event: Any = None, **headers: str
    ) -> Iterator[str]:
        """Answers to a function run at once, through the queue, and by its name."""
        data = self.data(function, values)
        body = {"data": data, "fn_index": function["id"], "session_hash": "evil", "event_data": event}
        yield self._visitor.post("/gradio_api/run/predict", json=body, headers=headers).text
        joined = self._visitor.post("/gradio_api/queue/join", json=body, headers=headers)
        yield joined.text
        if joined.status_code == 200:
            yield self._answer("evil")
        started = self._visitor.post(f"/gradio_api/call/{function['api_name']}", json={"data": data}, headers=headers)
        yield started.text
        if started.status_code == 200:
            yield self._visitor.get(f"/gradio_api/call/{function['api_name']}/{started.json()['event_id']}").text

    def _answer(self, session: str) -> str:
        """The events of a session until its answer is complete; their end would come a second later."""
        seen = ""
        with self._visitor.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as events:
            for line in events.iter_lines():
                seen += line
                if "process_completed" in line:
                    break
        return seen


def _touched(function: Mapping[str, Any]) -> list[int]:
    targets = [number for number, _ in function["targets"] if number is not None]
    return [*function["inputs"], *function["outputs"], *targets]


def lines(answer: str) -> list[Any]:
    """The JSON of each event of a stream."""
    return [json.loads(line.removeprefix("data: ")) for line in answer.splitlines() if line.startswith("data: ")]
