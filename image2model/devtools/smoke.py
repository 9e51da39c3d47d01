"""Smoke test of a running app over HTTP, free and done in half a minute: `make smoke URL=https://…`.

It sends the `API_KEY` of the environment; without one, a route that refuses passes as well as one that answers.
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


class CheckFailed(Exception):
    """A check that failed, with a sentence on what is wrong."""


class Smoke:
    """The checks of one app; each returns a summary, or raises CheckFailed."""

    def __init__(self, url: str, key: str = "") -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True
        )
        self._anonymous_client = httpx.Client(base_url=url.rstrip("/"), timeout=TIMEOUT_SECONDS)

    def check_liveness(self) -> str:
        """The health routes answer."""
        self._json("/health/liveness")
        self._json("/health/readiness")
        known = self._json("/health")
        return f"{known['service']} {known['version']}"

    def check_health(self) -> str:
        """No critical part is unhealthy; the summary names degraded ones."""
        parts = self._json("/health/detailed")["components"]
        unhealthy = [f"{part['name']} is {part['status']}" for part in parts if part["status"] != "healthy"]
        return ", ".join(unhealthy) or "every part is healthy"

    def check_metrics(self) -> str:
        """The metrics that the dashboard shows are there."""
        families = {family.name for family in text_string_to_metric_families(self._get("/health/metrics").text)}
        _require(families >= METRICS, f"The metrics lack {', '.join(sorted(METRICS - families))}.")
        return f"{len(families)} metrics"

    def check_page(self) -> str:
        """The page loads with its headers, and its configuration unless a sign-in stands before it."""
        page = self._get("/")
        _require("image2model" in page.text, "The page is not image2model's.")
        for name, value in HEADERS.items():
            _require(page.headers.get(name) == value, f"The page's header {name} is not {value!r}.")
        _require("frame-ancestors" in page.headers.get("content-security-policy", ""), "The page has no CSP.")
        config = self._client.get("/config")
        if config.status_code == 401:
            return "behind a sign-in"
        _require(config.status_code == 200, f"/config answers {config.status_code}.")
        return f"{len(config.json()['components'])} components"

    def check_generators(self) -> str:
        """Check that at least one generator can be used."""
        usable = [offer["id"] for offer in self._offers() if offer["available"]]
        _require(bool(usable), "No generator can be used.")
        return ", ".join(usable)

    def check_openapi(self) -> str:
        """The REST API's description and its page are there."""
        self._get("/docs")
        return f"{len(self._json('/openapi.json')['paths'])} paths"

    def check_refusals(self) -> str:
        """An upload without a picture, one that is none, and an unknown batch get a sentence and a code."""
        upload, nonsense = "/api/v1/upload", {"files": ("a.png", b"no picture")}
        codes = [
            self._refused(self._client.post(upload), 400, 403, 422, 429),
            self._refused(self._client.post(upload, files=nonsense), 400, 403, 429),
            self._refused(self._client.get(f"/batches/{uuid.uuid4()}/zip"), 404),
        ]
        return ", ".join(dict.fromkeys(codes))

    def check_authorization(self) -> str:
        """The host's routes refuse a request without a key."""
        for path in ("/api/v1/admin/disk-usage", "/api/v1/logs/types"):
            self._refused(self._anonymous_client.get(path), 403)
        return "admin and logs are closed"

    def check_local_mesh(self) -> str:
        """The embedded engine, where it is offered, makes a mesh of a small picture; it is deleted again."""
        if not any(offer["id"] == "local" and offer["available"] for offer in self._offers()):
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
        deadline = time.monotonic() + TIMEOUT_SECONDS
        path = f"/api/v1/status/tasks/{batch['task_id']}/status"
        while (status := self._json(path))["status"] not in ("completed", "failed", "cancelled"):
            _require(
                time.monotonic() < deadline, f"It is not finished after {TIMEOUT_SECONDS:.0f} s: {status['message']}"
            )
            time.sleep(0.2)
        _require(status["status"] == "completed", f"It ended badly: {status['message']}")
        mesh = self._get(f"/api/v1/download/{batch['job_id']}/smoke.glb").content
        _require(mesh[:4] == b"glTF", "What came is no GLB.")
        return len(mesh)

    def _delete(self, batch_id: str) -> None:
        """Delete it over the page's API; where a sign-in closes that, retention will."""
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
        _require(answer.status_code == 200, f"{answer.url.path} answers {answer.status_code}: {answer.text[:200]}")
        return answer

    def _refused(self, answer: httpx.Response, *statuses: int) -> str:
        """The code of a refusal in the common form, with one of these statuses."""
        path = answer.url.path
        _require(answer.status_code in statuses, f"{path} answers {answer.status_code} in place of a refusal.")
        body = answer.json()
        _require(bool(body.get("error") and body.get("message")), f"{path} refuses without a word.")
        return str(body["error_code"])


CHECKS: tuple[Callable[[Smoke], str], ...] = (
    Smoke.check_liveness, Smoke.check_health, Smoke.check_metrics, Smoke.check_page, Smoke.check_generators,
    Smoke.check_openapi, Smoke.check_refusals, Smoke.check_authorization, Smoke.check_local_mesh,
)  # fmt: skip


def run_checks(url: str, key: str = "", report: Callable[[str], None] = print) -> int:
    """Run all checks, report a line for each, and return how many failed."""
    smoke, failures = Smoke(url, key), 0
    for check in CHECKS:
        began = time.monotonic()
        try:
            verdict, outcome = "ok   ", check(smoke)
        except (CheckFailed, httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            verdict, outcome, failures = "WRONG", str(error) or repr(error), failures + 1
        name = check.__name__.removeprefix("check_").replace("_", " ")
        report(f"{verdict} {name:20} {time.monotonic() - began:5.1f} s  {outcome}")
        if failures and check is Smoke.check_liveness:
            report("Nothing else was tried.")
            break
    return failures


def _picture() -> bytes:
    """A ball before a white wall."""
    image = Image.new("RGB", (256, 256), "white")
    for step in range(60):
        ImageDraw.Draw(image).ellipse((38 + step, 38 + step, 218 - step, 218 - step), (200 + step // 2, 90 + step, 40))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CheckFailed(otherwise)


def main() -> None:
    """Check the app at an address; exit with 1 if a check failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    failures = run_checks(parser.parse_args().url, os.environ.get("API_KEY", ""))
    print("All is well." if not failures else f"{failures} of {len(CHECKS)} checks went wrong.")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
