"""The host's routes of the REST contract, on the running app."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from image2model.devtools.app_process import ADMIN_KEY
from tests.e2e.test_rest_contract import ROBOT, events, post
from tests.support.attacks import client_from
from tests.support.browser import App

ROUTES = (
    ("GET", "admin/disk-usage"), ("GET", "admin/system-health"), ("POST", "admin/cleanup"),
    ("POST", "admin/cleanup-job"), ("GET", "admin/list-files"), ("DELETE", "admin/delete-job/x"),
    ("POST", "logs/rotate"), ("DELETE", "logs/cleanup"),
)  # fmt: skip


@pytest.fixture(scope="module")
def host(app: App) -> Iterator[httpx.Client]:
    """The host, with the admin key."""
    with httpx.Client(
        base_url=f"{app.url}/api/v1", timeout=120, headers={"Authorization": f"Bearer {ADMIN_KEY}"}
    ) as client:
        yield client


def make_batch(host: httpx.Client) -> dict[str, Any]:
    """Make a batch of one picture; return the answer when it is finished."""
    answer = post(host, ("gone.jpg", ROBOT)).json()
    events(host, answer["task_id"])
    return answer


@pytest.fixture(scope="module")
def kept(host: httpx.Client) -> dict[str, Any]:
    """A batch that no test deletes."""
    return make_batch(host)


@pytest.fixture(scope="module")
def large(app: App, host: httpx.Client) -> dict[str, Any]:
    """A batch whose mesh, also in Gradio's cache, is larger than any buffer on the way."""
    batch = make_batch(host)
    mesh = app.data / "batches" / batch["batch_id"] / "1-gone" / "model.glb"
    os.truncate(mesh, 64_000_000)
    lent = app.cache / batch["batch_id"] / "lent.glb"
    lent.parent.mkdir()
    lent.hardlink_to(mesh)
    return {**batch, "lent": lent}


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(("key", "message"), [("", "Not authenticated"), ("Bearer wrong", "Invalid admin API key")])
def test_admin_routes_require_the_admin_key(app, method, path, key, message):
    """Every route asks for the admin key before it looks at anything."""
    with client_from(app, 4) as visitor:  # whose wrong keys are counted
        answer = visitor.request(method, f"/api/v1/{path}", headers={"Authorization": key} if key else {})
    assert (answer.status_code, answer.json()["message"]) == (403, message)


def test_the_disk_is_measured(host, kept):
    """Uploads and results are counted separately, each with the size and free space of the disk."""
    use, health = host.get("/admin/disk-usage").json(), host.get("/admin/system-health/").json()
    for kind in ("upload_dir", "output_dir"):
        assert use[kind]["size_mb"] > 0
        assert use[kind]["file_count"] > 0
        assert use[kind]["disk_total_gb"] >= use[kind]["disk_free_gb"] > 0
        assert 0 < use[kind]["disk_usage_percent"] <= 100
        assert health["disk_usage"][kind]["path"] == "batches"
    full = use["output_dir"]["disk_usage_percent"]
    assert health["status"] == ("critical" if full > 90 else "warning" if full > 80 else "healthy")
    assert bool(health["warnings"]) >= (health["status"] != "healthy")


def test_files_are_listed_by_kind(host, kept):
    """Both lists are reported, the named one with its totals, newest first and relative to the data folder."""
    listed = host.get("/admin/list-files", params={"directory": "results", "limit": 10_000, "view": "files"}).json()
    assert listed["items"] == listed["results"]
    assert len(listed["items"]) <= listed["total_files"]
    times = [float(item["modified"]) for item in listed["items"]]
    assert times == sorted(times, reverse=True)
    assert any(item["path"].startswith(f"batches/{kept['batch_id']}/") for item in listed["results"])
    assert len(host.get("/admin/list-files", params={"limit": 1, "view": "files"}).json()["uploads"]) == 1
    assert all(item["path"].rpartition("/")[2].startswith("input") for item in listed["uploads"])
    folders = host.get("/admin/list-files", params={"directory": "results", "limit": 10_000}).json()["items"]
    assert all(item["is_directory"] and item["file_count"] for item in folders)
    assert f"batches/{kept['batch_id']}" in {item["path"] for item in folders}
    assert host.get("/admin/list-files", params={"directory": "/etc"}).status_code == 422


@pytest.mark.parametrize(
    "given", [{"params": {"hours": 0, "dry_run": True}}, {"data": {"hours": "0", "dry_run": "true"}},
              {"json": {"hours": 0, "dry_run": True}}],
)  # fmt: skip
def test_dry_run_lists_what_would_be_deleted(host, kept, given):
    """A dry run, requested by query, form or JSON, lists the batch and deletes nothing."""
    body = host.post("/admin/cleanup", **given).json()
    assert (body["cleanup_hours"], body["dry_run"], body["errors"]) == (0, True, [])
    assert kept["batch_id"] in [item["name"] for item in body["items"]]
    assert body["freed_space_mb"] > 0
    assert host.get(f"/download/{kept['job_id']}/all").status_code == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [({"json": {"hours": -1}}, 422), ({"params": {"hours": "nan"}}, 422), ({"content": "["}, 400), ({"json": [1]}, 400),
     ({"files": {"hours": b"1"}}, 400)],
)  # fmt: skip
def test_a_cleanup_that_makes_no_sense_is_refused(host, given, status):
    """Invalid parameters are refused with an error status."""
    assert host.post("/admin/cleanup", **given).status_code == status


def test_one_batch_is_deleted_by_either_route(host):
    """A batch is deleted by form with its job id or by path with its batch id, and is unknown afterwards."""
    first, second = make_batch(host), make_batch(host)
    body = host.post("/admin/cleanup-job", data={"job_id": first["job_id"]}).json()
    assert body["job_id"] == first["job_id"]
    assert body["freed_space_mb"] > 0
    assert host.delete(f"/admin/delete-job/{second['batch_id']}").json()["files_removed"] > 0
    for job_id in (first["job_id"], second["job_id"], str(uuid.uuid4())):
        assert host.delete(f"/admin/delete-job/{job_id}").status_code == 404
        assert host.post("/admin/cleanup-job", json={"job_id": job_id}).status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "{url}/batches/{batch_id}/1/gone.glb",
        "{url}/batches/{batch_id}/zip",
        "{url}/api/v1/download/{job_id}/gone.glb",
        "{url}/gradio_api/file={lent}",
    ],
)
def test_batch_being_downloaded_is_kept(app, host, large, address):
    """No cleanup takes a batch while one of its files is sent by any route; once that is over it may go."""

    def plan_evictions() -> bool:
        body = host.post("/admin/cleanup", json={"hours": 0, "dry_run": True}).json()
        return large["batch_id"] in [item["name"] for item in body["items"]]

    with host.stream("GET", address.format(url=app.url, **large)) as answer:
        chunks = answer.iter_raw()  # letting go of it would end the download
        assert next(chunks)
        assert not plan_evictions()
    while not plan_evictions():  # the app has to notice that nobody listens any more
        time.sleep(0.05)


def test_running_batch_is_deleted_only_by_force(host):
    """A batch that is worked answers 409, and with force it is stopped and gone."""
    batch = post(host, *[(f"{number}.jpg", ROBOT) for number in range(8)]).json()
    path = f"/admin/delete-job/{batch['job_id']}"
    refused = host.delete(path)
    assert (refused.status_code, refused.json()["error_code"]) == (409, "batch_working")
    assert host.delete(path, params={"force": True}).status_code == 200
    assert host.get(f"/status/jobs/{batch['job_id']}/progress").status_code == 404
