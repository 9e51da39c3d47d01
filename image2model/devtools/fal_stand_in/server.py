"""A stand-in for fal.ai that speaks its queue, upload and download protocol over real HTTP.

It is strict (keys, fields, types, ranges, file contents), scriptable (`Script`: what becomes of a job;
`Fault`: what becomes of a call) and counts everything. Every result is a box wrapped in the job's own picture.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import threading
import time
import uuid
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from .answers import any_response, error_response, platform_error_response, range_response, split_send
from .files import picture_box_glb, picture_problem, preview_png
from .platform_api import Platform
from .schemas import ENDPOINTS, Endpoint, error_entry, problems
from .script import Fault, Job, Script

KEY = "test-key"
ROUTES: list[tuple[str, re.Pattern[str], str]] = [
    (method, re.compile(pattern), name)
    for method, pattern, name in [
        ("POST", r"/storage/auth/token", "token"),
        ("POST", r"/storage/upload/initiate", "initiate"),
        ("PUT", r"/storage/put/(?P<file>[\w.-]+)", "put"),
        ("POST", r"/files/upload", "upload"),
        ("GET", r"/files/(?P<file>.+)", "download"),
        ("GET", r"/v1/models/requests/by-endpoint", "requests"),
        ("GET", r"/v1/models/pricing", "pricing"),
        ("GET", r"/v1/models", "models"),
        ("POST", r"/run/(?P<endpoint>.+)", "run"),
        ("GET", r"/(?P<app>[^/]+/[^/]+)/requests/(?P<id>[\w-]+)/status", "status"),
        ("GET", r"/(?P<app>[^/]+/[^/]+)/requests/(?P<id>[\w-]+)", "result"),
        ("PUT", r"/(?P<app>[^/]+/[^/]+)/requests/(?P<id>[\w-]+)/cancel", "cancel"),
        ("POST", r"/(?P<endpoint>.+)", "submit"),
    ]
]
KEYED_ROUTES = frozenset(
    {"token", "initiate", "pricing", "requests", "models", "run", "status", "result", "cancel", "submit"}
)
"""Operations that may be shown the key; all but `models` ask for it."""
PLATFORM = frozenset({"requests", "pricing", "models"})
LOG_WINDOW = 3


class FalServer(Platform):
    """The stand-in; use it as a context manager: it listens in a thread of its own on a loopback port."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        key: str = KEY,
        port: int = 0,
        concurrency: int = 0,
        endpoints: dict[str, Endpoint] | None = None,
        certificate: Path | None = None,
    ) -> None:
        """Listen on `port` of 127.0.0.1, over TLS where `certificate` is a PEM file with key and certificates."""
        self._initial = script or Script(), concurrency, ENDPOINTS if endpoints is None else endpoints
        self.key = key
        self.reset()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=2048)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self._socket.getsockname()[1]}"
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                self,
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=1,
                ssl_certfile=certificate,
            )
        )
        self._thread = threading.Thread(target=self._uvicorn.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> FalServer:
        self._thread.start()
        while not self._uvicorn.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._uvicorn.should_exit = True
        self._uvicorn.force_exit = True
        self._thread.join(timeout=10)

    def reset(self) -> None:
        """Restore the state and scripts of the start."""
        self.script, self.concurrency, endpoints = self._initial
        self.endpoints = dict(endpoints)
        self.prices = {name: endpoint.price for name, endpoint in self.endpoints.items()}
        self.unit, self.currency = "units", "USD"
        self.deprecated = set()
        self.scripts: deque[Script] = deque()
        """Scripts of the next jobs, before `script` is used again."""
        self.faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        """Faults of the next calls, by operation: token, upload, submit, status, result, cancel, download …"""
        self.calls: Counter[str] = Counter()
        self.jobs: dict[str, Job] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.uploads: list[dict[str, str]] = []
        self.clock: Callable[[], float] = time.monotonic
        """Clock of queue and run times; a test may turn it itself."""
        self.leaks: list[str] = []
        """Operations that received the key though they must not."""
        self.outage_after: dict[str, float] = {}
        """Seconds for which the server refuses connections after the next call of an operation."""

    def job(self) -> Job:
        """The only job there is."""
        (job,) = self.jobs.values()
        return job

    @property
    def paid(self) -> list[Job]:
        """The jobs that fal bills: taken, not failed with a 5xx, and not cancelled while they waited."""
        return [job for job in self.jobs.values() if not (self._failed_at_fal(job) or self._cancelled_waiting(job))]

    @staticmethod
    def _failed_at_fal(job: Job) -> bool:
        return not job.errors and job.script.error is not None and job.script.error[0] >= 500

    def _cancelled_waiting(self, job: Job) -> bool:
        return job.cancelled is not None and job.cancelled < self._times(job)[0]

    # One call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, or apply the next fault to it."""
        request = Request(scope, receive)
        name, parts = self._route(request)
        self.calls[name] += 1
        if name not in KEYED_ROUTES and self.key in request.headers.get("authorization", ""):
            self.leaks.append(name)
        fault = self.faults[name].popleft() if self.faults[name] else None
        if fault and fault.kind in ("hang", "slow"):
            await asyncio.sleep(fault.seconds)
        if fault and fault.kind in ("drop_before", "hang"):
            return self._drop(scope)
        done = fault is None or fault.kind != "answer"
        try:
            response = await self._answer(name, request, parts) if done else Response()
        except ClientDisconnect:  # gone before its request was whole: nothing is done
            return None
        if fault and fault.kind == "late":
            await asyncio.sleep(fault.seconds)
        if fault and fault.kind == "drop_after":
            return self._drop(scope)
        if fault and fault.kind in ("answer", "answer_after"):
            response = any_response(fault.status, fault.body, fault.headers)
        if fault and fault.kind == "truncate":
            send = split_send(send, 0.05, lambda: self._drop(scope))
        if fault and fault.kind == "trickle":
            send = split_send(send, fault.seconds)
        await response(scope, receive, send)
        if seconds := self.outage_after.pop(name, None):
            await self._shut(seconds)
        return None

    async def _shut(self, seconds: float) -> None:
        """Refuse connections for `seconds`."""
        self._uvicorn.servers.pop().close()
        for connection in list(self._uvicorn.server_state.connections):
            if connection.transport is not None:
                connection.transport.close()
        self._opening = asyncio.create_task(self._open(seconds))

    async def _open(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        config, state = self._uvicorn.config, self._uvicorn.server_state
        protocol: Any = config.http_protocol_class
        self._socket = socket.create_server(("127.0.0.1", int(self.url.rpartition(":")[2])), backlog=2048)
        server = await asyncio.get_running_loop().create_server(
            lambda: protocol(config=config, server_state=state, app_state={}), sock=self._socket
        )
        self._uvicorn.servers.append(server)

    def _route(self, request: Request) -> tuple[str, dict[str, str]]:
        for method, pattern, name in ROUTES:
            found = pattern.fullmatch(request.url.path)
            if found and method == request.method:
                return name, found.groupdict()
        return "unknown", {}

    def _drop(self, scope: Scope) -> None:
        for connection in list(self._uvicorn.server_state.connections):
            transport = connection.transport
            if transport is not None and transport.get_extra_info("peername") == scope["client"]:
                transport.abort()

    async def _answer(self, name: str, request: Request, parts: dict[str, str]) -> Response:
        shown = request.headers.get("authorization")
        if name in KEYED_ROUTES and shown != f"Key {self.key}" and (name != "models" or shown):
            refusal = platform_error_response(401, "authorization_error", "Invalid API key")
            return refusal if name in PLATFORM else error_response(401, "invalid key credentials")
        handler: Callable[..., Awaitable[Response]] | None = getattr(self, f"_{name}", None)
        return await handler(request, **parts) if handler else error_response(404, "Not Found")

    # Uploads and downloads

    async def _token(self, request: Request) -> Response:
        if request.query_params.get("storage_type") != "fal-cdn-v3":
            return error_response(400, "unknown storage type")
        return JSONResponse(
            {
                "token": "cdn-token",
                "token_type": "Bearer",
                "base_url": self.url,
                "expires_at": "2999-01-01T00:00:00+00:00",
            }
        )

    async def _upload(self, request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer cdn-token":
            return error_response(401, "invalid token")
        url = self._store(request.headers.get("x-fal-file-name", "file"), request, await request.body())
        return JSONResponse({"access_url": url})

    async def _initiate(self, request: Request) -> Response:
        wanted = await request.json()
        file = f"{uuid.uuid4().hex}-{wanted['file_name']}"
        self.files[f"gcs/{file}"] = (wanted["content_type"], b"")
        return JSONResponse(
            {"upload_url": f"{self.url}/storage/put/{file}", "file_url": f"{self.url}/files/gcs/{file}"}
        )

    async def _put(self, request: Request, file: str) -> Response:
        self.files[f"gcs/{file}"] = (request.headers.get("content-type", ""), await request.body())
        return Response()

    def _store(self, name: str, request: Request, data: bytes) -> str:
        path = f"b/{uuid.uuid4().hex}/{name}"
        self.files[path] = (request.headers.get("content-type", ""), data)
        self.uploads.append(dict(request.headers))
        return f"{self.url}/files/{path}"

    async def _download(self, request: Request, file: str) -> Response:
        if file in self.files:
            content_type, data = self.files[file]
            return range_response(request, data, content_type)
        job_id, _, name = file.partition("/")
        job = self.jobs.get(job_id)
        return error_response(404, "Not Found") if job is None else range_response(request, self._made(job, name), None)

    def _made(self, job: Job, name: str) -> bytes:
        if name.endswith(".png"):
            return preview_png()
        if not name.endswith(".glb"):
            return b"# this is no GLB\n"
        return picture_box_glb(self._picture(job)) if job.script.mesh is None else job.script.mesh

    # Jobs

    async def _submit(self, request: Request, endpoint: str) -> Response:
        if endpoint not in self.endpoints:
            return error_response(404, f"Application '{endpoint}' not found")
        try:
            arguments = await request.json()
        except ValueError:
            return error_response(400, "Invalid JSON", "bad_request")
        if not isinstance(arguments, dict):
            return error_response(422, "The body is no object", "bad_request")
        job = self._take(endpoint, arguments, request)
        base = f"{self.url}/{'/'.join(endpoint.split('/')[:2])}/requests/{job.id}"
        return JSONResponse(
            {
                "status": "IN_QUEUE",
                "request_id": job.id,
                "response_url": base,
                "status_url": f"{base}/status",
                "cancel_url": f"{base}/cancel",
                "queue_position": self._position(job),
            },
            headers={"x-fal-request-id": job.id},
        )

    def _take(self, endpoint: str, arguments: dict[str, Any], request: Request) -> Job:
        script = self.scripts.popleft() if self.scripts else self.script
        job = Job(str(uuid.uuid4()), endpoint, arguments, script, self.clock(), dict(request.headers))
        job.errors = problems(self.endpoints[endpoint], arguments) or self._picture_problems(job)
        self.jobs[job.id] = job
        return job

    def _picture(self, job: Job) -> bytes:
        """The first picture of a job, which its result is made of."""
        urls = _urls(job, self.endpoints[job.endpoint].image_field)
        return self._fetched(urls[0]) if urls else b""

    def _fetched(self, url: str) -> bytes:
        if url.startswith("data:"):
            return base64.b64decode(url.partition(",")[2])
        _, _, file = url.partition(f"{self.url}/files/")
        job_id, _, made = file.partition("/")
        return self._made(self.jobs[job_id], made) if job_id in self.jobs else self.files.get(file, ("", b""))[1]

    def _picture_problems(self, job: Job) -> list[dict[str, Any]]:
        found = []
        for name in self.endpoints[job.endpoint].image_fields:
            pictures = [self._fetched(url) for url in _urls(job, name)]
            kinds = [picture_problem(picture) if picture else "file_download_error" for picture in pictures]
            found += [error_entry(name, kind, "Could not load the image") for kind in kinds if kind]
        return found

    def _times(self, job: Job) -> tuple[float, float]:
        """Start and end of a job, on the monotonic clock."""
        if not self.concurrency:
            start = job.submitted + job.script.queue_seconds
            return start, start + _run_seconds(job)
        free = [0.0] * self.concurrency
        for other in self.jobs.values():
            slot = free.index(min(free))
            start = max(other.submitted + other.script.queue_seconds, free[slot])
            end = start + _run_seconds(other)
            if other is job:
                break
            if other.cancelled is None or other.cancelled >= start:
                free[slot] = end
        return start, end

    def _position(self, job: Job) -> int:
        """Number of jobs that wait before this one."""
        now = self.clock()
        waiting = [other for other in self.jobs.values() if other.cancelled is None and self._times(other)[0] > now]
        return waiting.index(job) if job in waiting else 0

    async def _status(self, request: Request, app: str, id: str) -> Response:
        job = self._find(app, id)
        if job is None:
            return error_response(404, "Request not found")
        job.status_calls += 1
        with_logs = request.query_params.get("logs") in ("true", "True", "1")
        now, (start, end) = self.clock(), self._times(job)
        body: dict[str, Any] = {"request_id": id, "response_url": f"{self.url}/{app}/requests/{id}"}
        logs = self._logs(job, start, end) if with_logs else None
        if now >= end or job.cancelled is not None:
            body |= {"status": "COMPLETED", "logs": logs, "metrics": {"inference_time": max(0.0, end - start)}}
            if job.script.status_error:
                body |= dict(zip(("error", "error_type"), job.script.status_error, strict=True))
            return JSONResponse(body)
        running = {"status": "IN_PROGRESS", "logs": logs}
        return JSONResponse(
            body | (running if now >= start else {"status": "IN_QUEUE", "queue_position": self._position(job)}),
            status_code=202,
        )

    def _logs(self, job: Job, start: float, end: float) -> list[dict[str, Any]]:
        done, count = (self.clock() - start) / max(end - start, 1e-9), len(job.script.percentages)
        percentages = [percent for n, percent in enumerate(job.script.percentages) if n / count <= done]
        lines = [
            {
                "timestamp": datetime.fromtimestamp(n, UTC).isoformat(),
                "message": f"progress: {percent}%",
                "level": "STDERR",
                "source": "USER",
            }
            for n, percent in enumerate(percentages)
        ]
        return lines[-LOG_WINDOW:]

    async def _result(self, request: Request, app: str, id: str) -> Response:
        job = self._find(app, id)
        if job is None:
            return error_response(404, "Request not found")
        if job.cancelled is not None:
            return error_response(499, "Request was cancelled by the client", "client_cancelled")
        if self.clock() < self._times(job)[1]:
            return error_response(400, "Request is still in progress")
        if job.errors:
            return JSONResponse({"detail": job.errors}, 422)
        if job.script.error:
            return any_response(*job.script.error, job.script.error_headers)
        if job.script.result is not None:
            return any_response(200, job.script.result)
        units = {} if job.script.units is None else {"x-fal-billable-units": job.script.units}
        headers = {"x-fal-request-id": job.id, **units}
        return JSONResponse(self.endpoints[job.endpoint].result(self._file(job)), headers=headers)

    def _file(self, job: Job) -> Callable[[str, str], dict[str, Any]]:
        def file(name: str, content_type: str) -> dict[str, Any]:
            url = f"{self.url}/files/{job.id}/{name}"
            return {"url": url, "content_type": content_type, "file_name": name, "file_size": 1234}

        return file

    async def _cancel(self, request: Request, app: str, id: str) -> Response:
        job = self._find(app, id)
        if job is None:
            return JSONResponse({"status": "NOT_FOUND"}, 404)
        now, (start, end) = self.clock(), self._times(job)
        if now >= end or job.cancelled is not None:
            return JSONResponse({"status": "ALREADY_COMPLETED"}, 400)
        if now < start or not job.script.ignores_cancel:
            job.cancelled = now
        return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)

    def _find(self, app: str, id: str) -> Job | None:
        job = self.jobs.get(id)
        return job if job and job.endpoint.split("/")[:2] == app.split("/") else None

    async def _run(self, request: Request, endpoint: str) -> Response:
        answer = await self._submit(request, endpoint)
        if answer.status_code != 200:
            return answer
        job = self.jobs[json.loads(bytes(answer.body))["request_id"]]
        await asyncio.sleep(max(0.0, self._times(job)[1] - self.clock()))
        return await self._result(request, "/".join(endpoint.split("/")[:2]), job.id)


def _urls(job: Job, name: str) -> list[str]:
    """The addresses in an image input of a job."""
    value = job.arguments.get(name, [])
    return [str(url) for url in (value if isinstance(value, list) else [value])]


def _run_seconds(job: Job) -> float:
    return 0.0 if job.errors else run_seconds_of(job.id, job.script.run_seconds, job.script.spread)


def run_seconds_of(request_id: str, run_seconds: float, spread: float) -> float:
    """Duration of a job: constant for an id, evenly distributed over all ids."""
    return run_seconds * (1 + spread * (zlib.crc32(request_id.encode()) % 2001 / 1000 - 1))
