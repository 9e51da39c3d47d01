"""Half a minute's look at a running app, from outside, that costs nothing: `make smoke URL=https://…`.

With `API_KEY` in the environment it sends that key along; without one, a closed door counts as well as an open one.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
from PIL import Image, ImageDraw
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_SECONDS = 20.0
"""Seconds that one answer, and the mesh of the embedded engine, may take."""
METRICS = {"http_requests", "active_jobs_total", "image2model_component", "system_disk_usage_percent"}
HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin"}


class Wrong(Exception):
    """What is not as it should be, in a sentence."""


class Smoke:
    """The checks of one app; each returns what it saw, or raises Wrong."""

    def __init__(self, url: str, key: str = "") -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True
        )
        self._stranger = httpx.Client(base_url=url.rstrip("/"), timeout=TIMEOUT_SECONDS)

    def lives(self) -> str:
        """The process answers and takes requests."""
        self._json("/health/liveness")
        self._json("/health/readiness")
        known = self._json("/health")
        return f"{known['service']} {known['version']}"

    def is_well(self) -> str:
        """No vital part is unhealthy; what is degraded is told."""
        parts = self._json("/health/detailed")["components"]
        ailing = [f"{part['name']} is {part['status']}" for part in parts if part["status"] != "healthy"]
        return ", ".join(ailing) or "every part is healthy"

    def tells_numbers(self) -> str:
        """Prometheus gets the metrics that dashboards are built on."""
        families = {one.name for one in text_string_to_metric_families(self._get("/health/metrics").text)}
        _must(families >= METRICS, f"The metrics lack {', '.join(sorted(METRICS - families))}.")
        return f"{len(families)} metrics"

    def shows_the_page(self) -> str:
        """The page loads with its headers, and its configuration unless a sign-in stands before it."""
        page = self._get("/")
        _must("image2model" in page.text, "The page is not image2model's.")
        for name, value in HEADERS.items():
            _must(page.headers.get(name) == value, f"The page's header {name} is not {value!r}.")
        _must("frame-ancestors" in page.headers.get("content-security-policy", ""), "The page has no CSP.")
        config = self._client.get("/config")
        if config.status_code == 401:
            return "behind a sign-in"
        _must(config.status_code == 200, f"/config answers {config.status_code}.")
        return f"{len(config.json()['components'])} components"

    def offers_generators(self) -> str:
        """There is at least one that can be used."""
        usable = [one["id"] for one in self._offers() if one["available"]]
        _must(bool(usable), "No generator can be used.")
        return ", ".join(usable)

    def explains_itself(self) -> str:
        """The REST API's description and its page are there."""
        self._get("/docs")
        return f"{len(self._json('/openapi.json')['paths'])} paths"

    def refuses_politely(self) -> str:
        """An upload without a picture, one that is none, and an unknown batch get a sentence and a code."""
        upload, nonsense = "/api/v1/upload", {"files": ("a.png", b"no picture")}
        codes = [
            self._refused(self._client.post(upload), 400, 403, 422, 429),
            self._refused(self._client.post(upload, files=nonsense), 400, 403, 429),
            self._refused(self._client.get(f"/batches/{uuid.uuid4()}/zip"), 404),
        ]
        return ", ".join(dict.fromkeys(codes))

    def keeps_strangers_out(self) -> str:
        """What is the host's is closed without a key."""
        for path in ("/api/v1/admin/disk-usage", "/api/v1/logs/types"):
            self._refused(self._stranger.get(path), 403)
        return "admin and logs are closed"

    def makes_a_mesh(self) -> str:
        """The embedded engine, where it is offered, makes a mesh of a small picture; it is deleted again."""
        if not any(one["id"] == "local" and one["available"] for one in self._offers()):
            return "not tried: the embedded engine is not offered"
        began = time.monotonic()
        sent = self._client.post("/api/v1/upload", files={"files": ("smoke.png", _picture())}, data={"model": "local"})
        if sent.status_code in (403, 429):
            return f"not tried: {self._refused(sent, 403, 429)}"
        batch = self._ok(sent).json()
        try:
            return f"{self._mesh(batch):,} bytes in {time.monotonic() - began:.1f} s"
        finally:
            self._delete(batch["batch_id"])

    def _mesh(self, batch: dict[str, Any]) -> int:
        until = time.monotonic() + TIMEOUT_SECONDS
        path = f"/api/v1/status/tasks/{batch['task_id']}/status"
        while (status := self._json(path))["status"] not in ("completed", "failed", "cancelled"):
            _must(time.monotonic() < until, f"It is not finished after {TIMEOUT_SECONDS:.0f} s: {status['message']}")
            time.sleep(0.2)
        _must(status["status"] == "completed", f"It ended badly: {status['message']}")
        mesh = self._get(f"/api/v1/download/{batch['job_id']}/smoke.glb").content
        _must(mesh[:4] == b"glTF", "What came is no GLB.")
        return len(mesh)

    def _delete(self, batch_id: str) -> None:
        """Ask the page's API for it, which a sign-in may close; then the host's own rules will delete it."""
        path = "/gradio_api/call/delete_batch"
        asked = self._client.post(path, json={"data": [batch_id]})
        if asked.status_code == 200:
            self._client.get(f"{path}/{asked.json()['event_id']}")  # answers when it is done

    def _offers(self) -> list[dict[str, Any]]:
        return list(self._json("/api/v1/models/available"))

    def _json(self, path: str) -> Any:
        return self._get(path).json()

    def _get(self, path: str) -> httpx.Response:
        return self._ok(self._client.get(path))

    def _ok(self, answer: httpx.Response) -> httpx.Response:
        _must(answer.status_code == 200, f"{answer.url.path} answers {answer.status_code}: {answer.text[:200]}")
        return answer

    def _refused(self, answer: httpx.Response, *statuses: int) -> str:
        """The code of a refusal in the common form, with one of these statuses."""
        path = answer.url.path
        _must(answer.status_code in statuses, f"{path} answers {answer.status_code} in place of a refusal.")
        body = answer.json()
        _must(bool(body.get("error") and body.get("message")), f"{path} refuses without a word.")
        return str(body["error_code"])


CHECKS: tuple[Callable[[Smoke], str], ...] = (
    Smoke.lives, Smoke.is_well, Smoke.tells_numbers, Smoke.shows_the_page, Smoke.offers_generators,
    Smoke.explains_itself, Smoke.refuses_politely, Smoke.keeps_strangers_out, Smoke.makes_a_mesh,
)  # fmt: skip


def look(url: str, key: str = "", say: Callable[[str], None] = print) -> int:
    """Try everything, say a line of each check, and return how many went wrong."""
    smoke, wrongs = Smoke(url, key), 0
    for check in CHECKS:
        began = time.monotonic()
        try:
            verdict, outcome = "ok   ", check(smoke)
        except (Wrong, httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            verdict, outcome, wrongs = "WRONG", str(error) or repr(error), wrongs + 1
        name = check.__name__.replace("_", " ")
        say(f"{verdict} {name:20} {time.monotonic() - began:5.1f} s  {outcome}")
        if wrongs and check is Smoke.lives:
            say("Nothing else was tried.")
            break
    return wrongs


def _picture() -> bytes:
    """A ball before a white wall."""
    image = Image.new("RGB", (256, 256), "white")
    for step in range(60):
        ImageDraw.Draw(image).ellipse((38 + step, 38 + step, 218 - step, 218 - step), (200 + step // 2, 90 + step, 40))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)


def main() -> None:
    """Look at the app at an address; the exit status tells whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    wrongs = look(parser.parse_args().url, os.environ.get("API_KEY", ""))
    print("All is well." if not wrongs else f"{wrongs} of {len(CHECKS)} checks went wrong.")
    sys.exit(bool(wrongs))


if __name__ == "__main__":
    main()
