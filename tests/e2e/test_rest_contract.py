"""The REST contract, walked through on the running app as a program written for the first image2model does it."""

from __future__ import annotations

import csv
import io
import json
import socket
import uuid
import zipfile
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from image2model.devtools.app_process import ADMIN_KEY
from image2model.web.responses import BatchFileResponse
from tests.support.browser import ROOT, App

ROBOT = (ROOT / "examples" / "robot.jpg").read_bytes()
FORM = {"model": "local", "options": json.dumps({"detail": "low"})}


@pytest.fixture(scope="module")
def api(app: App) -> httpx.Client:
    """A client of the running app's REST API."""
    with httpx.Client(base_url=f"{app.url}/api/v1", timeout=120) as client:
        yield client


def post(api: httpx.Client, *files: tuple[str, bytes], path: str = "/upload", **form: str) -> httpx.Response:
    """Upload files of these names."""
    return api.post(path, files=[("files", (name, data, "image/jpeg")) for name, data in files], data=FORM | form)


def events(api: httpx.Client, task_id: str, path: str = "/status", **headers: str) -> list[tuple[str, str, dict]]:
    """Every event of a task until the stream ends: id, name, data."""
    found, number, name = [], "", ""
    with api.stream("GET", f"{path}/tasks/{task_id}/stream", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            key, _, value = line.partition(": ")
            number, name = (value if key == "id" else number), (value if key == "event" else name)
            if key == "data":
                found.append((number, name, json.loads(value)))
    return found


@pytest.fixture(scope="module")
def done(api: httpx.Client) -> dict[str, Any]:
    """A batch of two, worked to its end, with the events of its stream."""
    answer = post(api, ("a robot.jpg", ROBOT), ("b.jpg", ROBOT), path="/upload/batch/")
    assert answer.status_code == 200, answer.text
    return {**answer.json(), "events": events(api, answer.json()["task_id"])}


def test_upload_returns_three_ids_and_its_files(done):
    """The three ids are distinct UUIDs and each file has its own."""
    assert len({str(uuid.UUID(done[key])) for key in ("batch_id", "job_id", "task_id")}) == 3
    assert done["total_files"] == 2
    first = done["uploaded_files"][0]
    assert first | {"file_id": ""} == {
        "file_id": "", "filename": "a robot.jpg", "file_size": len(ROBOT), "content_type": "image/jpeg",
        "status": "uploaded", "sides": [],
    }  # fmt: skip
    assert {"face_limit", "status", "message"} <= set(done)


def test_stream_sends_all_events_with_growing_progress(done):
    """Progress only grows, every picture has its own updates, and the end has the result and a summary."""
    events = done["events"]
    assert all({"task_id", "status", "progress", "message"} <= set(data) for _, _, data in events)
    updates = [data for _, name, data in events if name == "file_update"]
    assert {data["file_id"] for data in updates} == {file["file_id"] for file in done["uploaded_files"]}
    progress = [data["progress"] for _, name, data in events if name != "file_update"]
    assert progress == sorted(progress)
    assert events[-1][1] == "task_completed"
    assert events[-1][2]["summary"] == {"total_files": 2, "successful_files": 2, "failed_files": 0}
    assert events[-1][2]["result"]["job_id"] == done["job_id"]


def test_stream_resumes_after_the_last_event(api, done):
    """With the Last-Event-ID of the last event only `task_completed` is sent again."""
    resumed = events(api, done["task_id"], path="/status", **{"Last-Event-ID": done["events"][-1][0]})
    assert [name for _, name, _ in resumed] == ["task_completed"]


def test_statuses_of_file_batch_task_and_job(api, app, done):
    """Each status has the contract's keys, also under the alias and with a slash."""
    file_id = done["uploaded_files"][0]["file_id"]
    assert api.get(f"/upload/status/{file_id}").json() | {"error": None} == {
        "file_id": file_id, "status": "completed", "processing_status": "done", "progress": 100.0,
        "batch_id": done["batch_id"], "job_id": done["job_id"], "error": None,
    }  # fmt: skip
    batch = api.get(f"/upload/batch/{done['batch_id']}/status").json()
    assert batch["progress"] == {"total_files": 2, "processed_files": 2, "failed_files": 0}
    for address in (f"{app.url}/api/status/tasks/{done['task_id']}/status/", f"/status/tasks/{done['task_id']}/status"):
        task = api.get(address).json()
        assert (task["status"], task["state"], task["current"], task["total"]) == ("completed", "SUCCESS", 2, 2)
    job = api.get(f"/status/jobs/{done['job_id']}/progress").json()
    assert (job["overall_progress"], job["completed_files"], len(job["files"])) == (100.0, 2, 2)


def test_unknown_task_is_queued(api):
    """An unknown UUID is Celery's PENDING; what is no UUID is refused."""
    unknown = api.get(f"/status/tasks/{uuid.uuid4()}/status")
    assert (unknown.status_code, unknown.json()["status"]) == (200, "queued")
    for path in ("status", "stream"):
        refused = api.get(f"/status/tasks/none/{path}")
        assert refused.status_code == 400
        assert "Invalid task ID format" in refused.json()["message"]
    with api.stream("GET", f"/status/tasks/{uuid.uuid4()}/stream", params={"timeout": 1}) as answer:
        names = [line for line in answer.iter_lines() if line.startswith("event")]
    assert names == ["event: task_queued", "event: task_failed"]


def test_results_are_listed_fetched_in_parts_and_zipped(api, done):
    """Files bear their pictures' names, take Range, and come as one zip."""
    listed = api.get(f"/download/{done['job_id']}/all").json()
    assert listed["total_files"] == 2
    assert listed["download_urls"] == [file["model_url"] for file in listed["files"]]
    first = listed["files"][0]
    assert (first["filename"], first["source_filename"]) == ("a robot.glb", "a robot.jpg")
    part = api.get(first["model_url"], headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"glTF")
    assert len(api.get(first["model_url"]).content) == first["size"]
    assert api.get(first["rendered_image"]["url"]).headers["content-type"] == "image/webp"
    zipped = zipfile.ZipFile(io.BytesIO(api.get(f"/download/{done['job_id']}/zip").content))
    assert {"a robot.glb", "b.glb"} <= set(zipped.namelist())
    assert api.get(f"/download/{uuid.uuid4()}/all").status_code == 404
    assert api.get(f"/download/{done['job_id']}/..%2Fmodel.glb").status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/download/{job_id}/b.glb", "/batches/{batch_id}/2/b.glb"])
def test_ranges_are_read_as_the_standard_wants(app, done, path):
    """An invalid Range header is ignored; a range beyond the end is answered 416 with the length of the file."""
    address = app.url + path.format(**done)
    whole = httpx.get(address).content
    for strange in ("items=0-1", "bytes", "bytes=", "bytes=a-b", "bytes=5-2", "0-1"):
        answer = httpx.get(address, headers={"Range": strange})
        assert (answer.status_code, answer.content == whole) == (200, True), strange
    beyond = httpx.get(address, headers={"Range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    assert beyond.json()["message"].startswith(f"This file has {len(whole)} bytes.")
    assert set(beyond.json()) == {"error", "error_code", "message", "status_code", "details"}


@pytest.mark.parametrize(
    "path",
    ["/health", "/health/liveness/", "/health/readiness", "/models/available", "/download/{job_id}/all",
     "/download/{job_id}/zip", "/download/{job_id}/b.glb"],
)  # fmt: skip
def test_head_of_a_file_equals_its_get(api, done, path):
    """HEAD answers as GET does, without the body."""
    whole, head = api.get(path.format(**done)), api.head(path.format(**done))
    assert (head.status_code, head.content) == (200, b"")
    assert [head.headers[name] for name in ("content-length", "content-type")] == [
        whole.headers[name] for name in ("content-length", "content-type")
    ]
    described = api.get("/openapi.json").json()["paths"]
    assert not any("head" in methods for methods in described.values())


@pytest.mark.parametrize("path", ["/api/v1/download/{job_id}/b.glb", "/batches/{batch_id}/2/b.glb"])
def test_unchanged_file_is_answered_304(app, done, path):
    """A request with the current ETag or date of a file gets 304, and with another ETag the whole file."""
    address = app.url + path.format(**done)
    first = httpx.get(address)
    for known in ({"If-None-Match": first.headers["etag"]}, {"If-Modified-Since": first.headers["last-modified"]}):
        answer = httpx.get(address, headers=known)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", first.headers["etag"])
    assert httpx.get(address, headers={"If-None-Match": '"another"'}).content == first.content


async def test_a_file_that_is_deleted_before_it_is_sent_is_answered_404(services, tmp_path):
    """A file that is deleted between being found and being sent is answered 404 with an error code."""
    response = BatchFileResponse(services, tmp_path / "gone.glb")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(response), base_url="http://localhost") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "file_not_found")


def test_every_get_route_answers_head(api, done):
    """Every route that answers GET answers HEAD, at once where GET would go on: for the host 200, else 200 or 403."""
    ids = {**done, "file_id": done["uploaded_files"][0]["file_id"], "filename": "b.glb", "model_type": "local"}
    unknown = str(uuid.uuid4())
    described = api.get("/openapi.json").json()["paths"]
    paths = [path.removeprefix("/api/v1") for path, methods in described.items() if "get" in methods]
    answers = {path: api.head(path.format(**ids), headers=HOST, timeout=10) for path in paths}
    assert {path: (response.status_code, response.content) for path, response in answers.items()} == dict.fromkeys(
        paths, (200, b"")
    )
    assert {api.head(path.format(**ids)).status_code for path in paths} == {200, 403}
    assert api.head(f"/status/tasks/{unknown}/stream", timeout=10).status_code == 200
    assert api.head(f"/upload/status/{unknown}").status_code == 404
    assert {api.head(path).status_code for path in ("/docs", "/openapi.json")} == {200}


def test_unusable_files_are_refused_with_reasons(api):
    """One wrong file refuses the upload, with each file's reason; too many and too large are said in the message."""
    wrong = post(api, ("good.jpg", ROBOT), ("notes.png", b"no picture"))
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, "FILE_VALIDATION_ERROR")
    assert [refusal["filename"] for refusal in wrong.json()["details"]["files"]] == ["notes.png"]
    many = post(api, *[("a.jpg", b"x")] * 26)
    assert (many.status_code, "too many files" in many.json()["message"]) == (400, True)
    large = post(api, ("large.jpg", ROBOT + bytes(26_000_000)))
    assert (large.status_code, "too large" in large.json()["message"]) == (400, True)
    assert post(api).status_code == 400


def form(*files: tuple[str, bytes], end: bytes = b"--x--\r\n", kind: str = "multipart/form-data") -> dict[str, Any]:
    """The head and the body of a form with these files, and with the local generator's quickest options."""
    parts = [(f'name="files"; filename="{name}"', data) for name, data in files]
    parts += [(f'name="{name}"', value.encode()) for name, value in FORM.items()]
    body = b"".join(b"--x\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), data)
                    for head, data in parts)  # fmt: skip
    return {"content": body + end, "headers": {"Content-Type": f"{kind}; boundary=x"}}


@pytest.mark.parametrize("end", [b"", b"--x", b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=files; fi"])
def test_an_upload_without_its_end_starts_nothing(api, end):
    """A form that was cut short is refused whole, in a sentence, and the next with its end is taken."""
    refused = api.post("/upload", **form(("a.jpg", ROBOT), end=end))
    assert (refused.status_code, refused.json()["error_code"]) == (400, "FILE_VALIDATION_ERROR")
    assert refused.json()["message"] == "The upload broke off before its end. Send it again."
    assert api.post("/upload", **form(("a.jpg", ROBOT), end=b"--x--")).status_code == 200


def test_the_picture_that_was_cut_short_is_named(api):
    """The one of two files that was cut short is named with the reason."""
    whole = form(("a.jpg", ROBOT), ("b.jpg", ROBOT))
    whole["content"] = whole["content"][: len(ROBOT) + 2000]
    refused = api.post("/upload", **whole).json()
    assert [refusal["filename"] for refusal in refused["details"]["files"]] == ["b.jpg"]


def test_forms_are_read_as_programs_write_them(api):
    """The kind of a body may be in capitals, and a quote in a file's name is written as browsers do."""
    answer = api.post("/upload", **form(("q%22 100%.png", ROBOT), kind="MULTIPART/FORM-DATA"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["uploaded_files"][0]["filename"] == 'q" 100%.png'


@pytest.mark.parametrize("given", [{"files": {"file": ("a.jpg", ROBOT)}}, {"data": {"files": "a.jpg"}, "files": {}}])
def test_form_without_a_file_names_the_field(api, given):
    """A picture in another field, or its name as mere text, is refused with the field that it belongs in."""
    given["files"] |= {"other": ("other.txt", b"text")}
    answer = api.post("/upload", **given)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "FILE_VALIDATION_ERROR")
    assert "field `files`" in answer.json()["message"]
    assert "other.txt" in [refusal["filename"] for refusal in answer.json()["details"]["files"]]


@pytest.mark.parametrize(("path", "name", "most"), [("/upload", "files", 25), ("/upload/image", "file", 1)])
@pytest.mark.parametrize("more", [1, 400])
def test_each_file_beyond_the_limit_is_named(api, path, name, most, more):
    """Too many files are refused with the real limit and the reason of each that is over it."""
    files = [(name, (f"{number}.jpg", b"x", "image/jpeg")) for number in range(most + more)]
    refused = api.post(path, files=files)
    body = refused.json()
    assert (refused.status_code, body["error_code"]) == (400, "FILE_VALIDATION_ERROR")
    assert "too many files" in body["message"]
    assert ("At most 25" if most > 1 else "One can be sent here") in body["message"]
    assert body["details"]["files"][0]["filename"] == f"{most}.jpg"


def test_each_file_that_is_too_large_is_named(api):
    """A picture above the limit is named with the limit, also one above the limit of the whole request."""
    large = ROBOT + bytes(36_000_000)
    refused = api.post("/upload/image", files={"file": ("large.jpg", large, "image/jpeg")}, data=FORM)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "FILE_VALIDATION_ERROR")
    reason = refused.json()["details"]["files"][0]
    assert (reason["filename"], "more than 25 MB" in reason["message"]) == ("large.jpg", True)


def test_odd_forms_are_survived(api, app):
    """10,000 fields, options that are no JSON, no form at all and a lying Content-Length get an answer or an end."""
    fields = {f"field{number}": "x" for number in range(10_000)}
    assert api.post("/upload", files={"files": ("a.jpg", ROBOT)}, data=fields).status_code == 400
    assert post(api, ("a.jpg", ROBOT), options="[").status_code == 422
    assert api.post("/upload", json={}).status_code == 400
    with socket.create_connection(("127.0.0.1", int(app.url.rsplit(":", 1)[1]))) as connection:
        connection.sendall(
            b"POST /api/v1/upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 999999\r\n\r\n--x\r\n"
        )
    assert api.get("/models/available").status_code == 200


def test_one_image_is_uploaded_cancelled_and_done_again(api):
    """Cancel ends what is not finished, retry works it again."""
    six = post(api, *[(f"{number}.jpg", ROBOT) for number in range(6)]).json()
    cancelled = api.post(f"/status/tasks/{six['task_id']}/cancel/").json()
    assert cancelled["task_id"] == six["task_id"]
    assert events(api, six["task_id"])[-1][2]["summary"]["failed_files"] > 0
    assert api.post(f"/status/tasks/{six['task_id']}/retry").json()["status"] != "cancelled"
    assert events(api, six["task_id"])[-1][2]["summary"] == {
        "total_files": 6, "successful_files": 6, "failed_files": 0,
    }  # fmt: skip
    response = api.post("/upload/image", files={"file": ("one.jpg", ROBOT)}, data=FORM)
    assert (response.status_code, response.json()["total_files"]) == (200, 1)


def test_the_models_on_offer(api):
    """Each generator has the contract's keys."""
    keys = {"name", "id", "description", "type", "supported_formats", "options", "price", "available"}
    assert all(keys <= set(model) for model in api.get("/models/available").json())


HOST = {"Authorization": f"bearer {ADMIN_KEY}"}
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
LOGS = {
    "/analyze?log_type=access&hours_back=168": {
        "time_range", "log_levels", "error_patterns", "request_patterns", "performance_metrics", "lines_analyzed",
    },
    f"/daily-summary?date={TODAY}": {
        "date", "total_log_entries", "total_requests", "error_count", "avg_response_time_ms", "log_levels",
        "top_errors", "top_endpoints", "error_breakdown", "performance_summary", "system_events",
    },
    "/summary/daily/": {"date", "total_log_entries", "performance_summary"},
    "/statistics": {
        "total_files", "total_size_mb", "oldest_file", "newest_file", "by_type", "log_directory", "disk_usage",
    },
    "/types": {"log_types", "total_types", "details"},
    "/health": {"status", "timestamp", "statistics", "issues", "warnings", "recommendations"},
    "/recent?level=info&limit=1": {"entries", "more"},
}  # fmt: skip


@pytest.mark.parametrize("path", LOGS)
def test_log_routes_answer_with_either_key(api, path):
    """Each route answers with the contract's keys, and refuses a request without an API key."""
    assert api.get(f"/logs{path}").json()["message"] == "Not authenticated"
    answer = api.get(f"/logs{path}", headers=HOST)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) >= LOGS[path]


def test_logs_are_counted_as_they_are(api):
    """The requests of this test run are among those that are counted, on their day and under their routes."""
    api.get("/health/liveness")
    analysis = api.get("/logs/analyze", headers=HOST).json()
    assert set(analysis["log_levels"]) == LEVELS
    assert set(analysis["time_range"]) == {"start", "end", "hours_analyzed"}
    assert set(analysis["performance_metrics"]) == {"avg_response_time", "slow_requests", "error_rate"}
    assert analysis["request_patterns"]["GET /api/v1/health/liveness"] >= 1
    assert analysis["lines_analyzed"] >= analysis["log_levels"]["INFO"] > 0
    day = api.get("/logs/daily-summary", params={"date": "2001-02-03"}, headers=HOST).json()
    assert (day["date"], day["total_log_entries"], day["system_events"]) == ("2001-02-03", 0, [])
    wrong = api.get("/logs/daily-summary", params={"date": "yesterday"}, headers=HOST)
    assert (wrong.status_code, wrong.json()["message"]) == (400, "Invalid date format. Use YYYY-MM-DD format.")
    assert api.get("/logs/analyze", params={"log_type": "none"}, headers=HOST).status_code == 404


def test_log_lines_are_exported(api):
    """As JSON, CSV and text, asked for in the address, a form or JSON; each request's own line is among them."""
    api.get("/health", headers={"X-Correlation-ID": "to-be-taken-away"})
    since = {"start_date": TODAY}
    lines = api.get("/logs/export", params=since, headers=HOST)
    assert "to-be-taken-away" in [line.get("correlation_id") for line in lines.json()]
    assert "attachment" in lines.headers["content-disposition"]
    text = api.post("/logs/export/", data={**since, "format": "csv", "log_types": "access"}, headers=HOST)
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert "to-be-taken-away" in [row["correlation_id"] for row in rows]
    assert {row["logger"] for row in rows} == {"image2model.access"}
    plain = api.post("/logs/export", json={**since, "format": "txt"}, headers=HOST)
    assert (plain.headers["content-type"], "to-be-taken-away" in plain.text) == ("text/plain; charset=utf-8", True)
    for end, status in (("2026-01-01T00:00", 400), ("2026-01-01", 400), ("2026-01-02", 200)):
        days = {"start_date": "2026-01-02", "end_date": end}
        assert api.get("/logs/export", params=days, headers=HOST).status_code == status


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("GET", {"params": {"log_types": ["app", "access"]}}),
        ("GET", {"params": {"log_types": "app,access"}}),
        ("POST", {"data": {"log_types": ["app", "access"]}}),
        ("POST", {"files": [("log_types", (None, "app")), ("log_types", (None, "access"))]}),
        ("POST", {"json": {"log_types": ["app", "access"], "end_date": None, "format": None}}),
        ("POST", {"json": {"log_types": "app,access"}}),
        ("POST", {"json": {"log_types": None}}),
    ],
)
def test_repeated_parameters_are_accepted_in_any_form(api, method, given):
    """Each of a list's counts, wherever they stand, and null is as good as left out."""
    answer = api.request(method, "/logs/export", headers=HOST, **given)
    assert answer.status_code == 200, answer.text
    loggers = {line["logger"] for line in answer.json()}
    assert "image2model.access" in loggers
    assert len(loggers) > 1


def test_log_files_are_put_aside_and_removed_by_the_host(api):
    """The admin key alone rotates and cleans up log files; recent files stay, and no line is lost."""
    assert api.post("/logs/rotate").status_code == api.delete("/logs/cleanup").status_code == 403
    before = api.get("/logs/analyze", headers=HOST).json()["lines_analyzed"]
    rotated = api.post("/logs/rotate", headers=HOST).json()
    assert set(rotated) == {"rotated_files", "skipped_files", "errors"}
    assert "access.log" in rotated["rotated_files"]
    removed = api.delete("/logs/cleanup", params={"older_than_days": 1}, headers=HOST).json()
    assert (removed["status"], removed["removed_files"], removed["total_size_removed_mb"]) == ("success", 0, 0)
    assert removed["errors"] == []
    assert api.get("/logs/analyze", headers=HOST).json()["lines_analyzed"] > before
