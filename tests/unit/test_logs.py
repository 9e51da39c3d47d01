"""Log lines: one JSON object each, without secrets or private data; rotation of the files."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import structlog
from PIL import ExifTags, Image

from image2model import __version__
from image2model.errors import SettingsError
from image2model.ops import log_config, log_search
from image2model.ops.log_rotation import RotatingFile, RotationPolicy, compress_and_prune
from image2model.redaction import register_secrets
from tests.support import leaks
from tests.support.browser import ROOT, App
from tests.support.scripted import scripted_settings

FAL = "0f1e2d3c-aaaa-bbbb-cccc-0123456789ab:99887766554433221100aabbccddeeff"


class Log:
    """A logger, and what it has written."""

    def __init__(self, folder: Path, **settings: str) -> None:
        given = scripted_settings(folder, **settings)
        log_config.register_host_secrets(given)
        self._written = io.StringIO()
        handler = logging.StreamHandler(self._written)
        handler.setFormatter(log_config.make_formatter(given))
        self.logger = logging.Logger("image2model.test")
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        """Everything."""
        return self._written.getvalue()

    @property
    def entries(self) -> list[dict]:
        """Every line as JSON."""
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """A log of an app with keys."""
    keys = {"fal_key": FAL, "api_key": "the api key", "admin_password": "info", "app_users": "ann:ann's-word"}
    return Log(tmp_path, **keys)


def test_line_is_an_object_with_bound_and_extra_fields(log):
    """Time, level, logger and event come first, then the request's id and the record's own."""
    with structlog.contextvars.bound_contextvars(correlation_id="one"):
        log.logger.warning("took %d\nlines", 2, extra={"seconds": 1.5})
    entry = log.entries[0]
    assert list(entry)[:4] == ["timestamp", "level", "logger", "event"]
    assert abs(datetime.fromisoformat(entry.pop("timestamp")) - datetime.now(UTC)) < timedelta(minutes=5)
    assert entry == {
        "level": "warning", "logger": "image2model.test", "event": "took 2\nlines", "correlation_id": "one",
        "seconds": 1.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        f"fal said no to {FAL}", f"half of it: {FAL.partition(':')[2]}", "Authorization: Key never-seen-before",
        "{'authorization': 'Bearer never-seen-before'}", "GET /x?token=never-seen-before&a=1",
        "the api key", "ann's-word", "hf_ABCDEFGHIJKLMNOPQRSTUV", "postgresql://me/?password=never-seen-before",
    ],
)  # fmt: skip
def test_no_secret_is_written(log, text):
    """Keys of the settings and whatever looks like one are masked in the text, its parts and a traceback."""
    try:
        raise ValueError(text)
    except ValueError:
        log.logger.exception("%s", text, extra={"part": {"of": [text]}})
    secrets = ("never-seen-before", FAL, FAL.partition(":")[2], "the api key", "ann's-word", "hf_ABC")
    assert not any(secret in log.text for secret in secrets)
    assert "***" in log.entries[0]["event"]
    assert "***" in log.entries[0]["part"]["of"][0]
    assert "***" in log.entries[0]["exception"]


def test_a_short_password_leaves_keys_levels_and_other_words(log):
    """A password such as `info` is masked as its own word, and the line stays readable."""
    log.logger.info("information: info")
    assert (log.entries[0]["level"], log.entries[0]["event"]) == ("info", "information: ***")


def test_a_visitors_key_is_masked_as_long_as_its_owner_lives(log):
    """A visitor's key is masked as long as its owner lives, and forgotten afterwards."""

    class Owner:
        """Whatever has the key."""

    owner = Owner()
    register_secrets("a-visitors-key", owner=owner)
    log.logger.info("a-visitors-key")
    del owner
    log.logger.info("a-visitors-key")
    assert [entry["event"] for entry in log.entries] == ["***", "a-visitors-key"]


def test_addresses_and_file_names_are_written_only_where_the_host_says_so(tmp_path, log):
    """An address becomes a mark that is always the same; a picture's name and a batch's whole id are left out."""
    path = "batches/1a1a1a1a-aaaa-bbbb-cccc-0123456789ab/1-my holiday/input.png"
    for each_log in (log, open_log := Log(tmp_path, log_personal_data="true")):
        each_log.logger.info("%s", path, extra={"client": "192.0.2.7", "picture": "my holiday.jpg"})
        each_log.logger.info("again", extra={"client": "192.0.2.7"})
    assert "holiday" not in log.text
    assert "192.0.2.7" not in log.text
    assert "bbbb" not in log.text
    first, again = log.entries
    assert first["client"] == again["client"] != ""
    assert open_log.entries[0]["client"] == "192.0.2.7"
    assert "batches/1a1a1a1a/1-my holiday/input.png" in open_log.text


@pytest.mark.parametrize("odd", [b"\xff", float("nan"), 10**30, {1: object}, "\ud800", None, "x" * 100_000])
def test_any_record_becomes_a_line(log, odd):
    """Any record becomes one line of JSON."""
    log.logger.info("odd", extra={"odd": odd})
    assert log.entries[0]["event"] == "odd"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[RotatingFile]:
    """A log file that is full after 2,000 bytes."""
    file = RotatingFile(tmp_path, "app", RotationPolicy(max_bytes=2_000, max_files=3))
    yield file
    file.close()


def write(file: logging.Handler, first: int, last: int, level: str = "info") -> None:
    """Write lines with these numbers, a second apart."""
    for number in range(first, last):
        moment = f"{datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number):%Y-%m-%dT%H:%M:%S.%fZ}"
        line = {"timestamp": moment, "level": level, "logger": "a", "event": f"line {number}"}
        file.handle(logging.makeLogRecord({"msg": json.dumps(line, separators=(",", ":"))}))


def settle(folder: Path) -> None:
    """Date the rotated log files back by a minute, so that they count as closed."""
    for path in folder.glob("app-*.log"):
        os.utime(path, (time.time() - 60, time.time() - 60))


def test_a_data_folder_that_cannot_be_used_is_a_wrong_setting(tmp_path):
    """A data folder that cannot be written raises SettingsError with DATA_DIR and the reason in one line."""
    (tmp_path / "logs").touch()
    with pytest.raises(SettingsError) as refused:
        log_config.configure(scripted_settings(tmp_path))
    assert str(refused.value).startswith(f"DATA_DIR='{tmp_path}' cannot be used: File exists.")


def test_full_file_is_rotated_and_compressed(tmp_path, file):
    """No line is lost, and the file that is written stays small."""
    write(file, 0, 50)
    settle(tmp_path)
    compress_and_prune(tmp_path, "app", RotationPolicy(max_files=50))
    packed = sorted(tmp_path.glob("app-*.log.gz"))
    assert len(packed) > 1
    assert (tmp_path / "app.log").stat().st_size < 2_000
    whole = b"".join(gzip.decompress(path.read_bytes()) for path in packed) + (tmp_path / "app.log").read_bytes()
    assert [json.loads(line)["event"] for line in whole.splitlines()] == [f"line {number}" for number in range(50)]


def test_old_files_go(tmp_path, file):
    """The newest few are kept, none of them for longer than so many days."""
    write(file, 0, 200)
    settle(tmp_path)
    compress_and_prune(tmp_path, "app", RotationPolicy(max_files=3))
    assert len(list(tmp_path.glob("app-*"))) == 3
    compress_and_prune(tmp_path, "app", RotationPolicy(max_files=3, max_days=0))
    assert [path.name for path in tmp_path.glob("app*")] == ["app.log"]


def test_two_processes_write_to_one_file(tmp_path, file):
    """Each goes on in the new file when the other has put the old one aside."""
    other = RotatingFile(tmp_path, "app", file.policy)
    for number in range(0, 60, 2):
        write(file, number, number + 1)
        write(other, number + 1, number + 2)
    other.close()
    assert [json.loads(line)["event"] for line in log_search.matching_lines(tmp_path)] == [
        f"line {n}" for n in range(60)
    ]


def test_a_page_of_the_newest_lines(tmp_path, file):
    """Newest first over compressed and plain files, with text, level and pages."""
    write(file, 0, 40)
    settle(tmp_path)
    compress_and_prune(tmp_path, "app", RotationPolicy(max_files=50))
    write(file, 40, 60)
    write(file, 60, 61, "error")
    (tmp_path / "access.log").write_text("no JSON\n")
    newest = log_search.search(tmp_path, log_search.LogFilter(kinds=["app"]), limit=3)
    assert ([entry["event"] for entry in newest.entries], newest.more) == (["line 60", "line 59", "line 58"], True)
    oldest = log_search.search(tmp_path, limit=10, offset=60)
    assert ([entry["event"] for entry in oldest.entries], oldest.more) == (["line 0", "no JSON"], False)
    bad = log_search.search(tmp_path, log_search.LogFilter(level="ERROR"))
    assert [entry["event"] for entry in bad.entries] == ["line 60"]
    some = log_search.search(tmp_path, log_search.LogFilter(text="LINE 1"))
    assert [entry["event"] for entry in some.entries] == [f"line {n}" for n in (*range(19, 9, -1), 1)]


def test_lines_of_a_time(tmp_path, file):
    """The search returns the lines from one moment on and up to another."""
    write(file, 0, 60)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    wanted = log_search.LogFilter(since=start + timedelta(seconds=10), until=start + timedelta(seconds=13))
    assert [json.loads(line)["event"] for line in log_search.matching_lines(tmp_path, wanted)] == [
        "line 10",
        "line 11",
        "line 12",
    ]


def test_broken_files_are_read_as_far_as_they_go(tmp_path, file):
    """A compressed file that was cut short, or is none, hides nothing else."""
    write(file, 0, 1)
    (tmp_path / "app-20250101T000000000000Z.log.gz").write_bytes(gzip.compress(b"x\n" * 1000)[:-9])
    (tmp_path / "app-20250102T000000000000Z.log.gz").write_bytes(b"none")
    assert list(log_search.matching_lines(tmp_path))[-1].endswith(b'"line 0"}\n')


def test_the_running_app_says_everything_in_one_form(app: App):
    """Files and output have the same lines and nothing else, also where a path of the host is refused."""
    stolen = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    queue, own = f"{app.url}/gradio_api/queue", {"X-Correlation-ID": "a-thief"}
    page = httpx.get(f"{app.url}/config").json()
    images = next(component["id"] for component in page["components"] if component["props"].get("elem_id") == "images")
    judging = (
        function for function in page["dependencies"] if function["inputs"][:1] == [images] == function["outputs"][:1]
    )
    handler = next(function["id"] for function in judging if function["backend_fn"])
    earlier = len(app.log.read_text().splitlines())  # other tests' calls of this app fail too
    call = {"data": [[{"image": stolen, "caption": None}], []], "fn_index": handler, "session_hash": "a-thief"}
    httpx.post(f"{queue}/join", json=call, headers=own).raise_for_status()
    assert '"success":false' in httpx.get(f"{queue}/data", params={"session_hash": "a-thief"}).text
    written = [json.loads(line) for line in log_search.matching_lines(app.data / "logs")]
    assert all(list(entry)[:4] == ["timestamp", "level", "logger", "event"] for entry in written)
    output = app.log.read_text().splitlines()
    assert json.loads(output[0])["event"] == f"image2model {__version__} starts"
    assert json.loads(output[0]) in written
    assert [line for line in output[earlier:] if '"logger":"gradio"' in line] == []  # refused, and no fault of ours
    assert "Traceback (most recent call last):" not in output


def test_debug_lines_contain_nothing_private(tmp_path):
    """With LOG_LEVEL=DEBUG no log line contains a picture's name, its metadata, or the id of a batch or job."""
    picture, exif = io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Artist] = "Ann Nobody"
    Image.open(ROOT / "examples" / "robot.jpg").save(picture, "JPEG", exif=exif)
    app = App(tmp_path, GENERATOR="local", LOG_LEVEL="DEBUG").start()
    with httpx.Client(base_url=app.url, timeout=60) as api:
        sent = api.post("/api/v1/upload/image", files={"file": ("my holiday.jpg", picture.getvalue(), "image/jpeg")})
        assert "task_completed" in api.get(f"/api/v1/status/tasks/{sent.json()['task_id']}/stream").text
        api.post("/gradio_api/upload", files={"files": ("my holiday.jpg", picture.getvalue())})
    assert app.stop() == 0
    log_text = app.log.read_text()
    assert '"level":"debug"' in log_text
    ids = [sent.json()[name] for name in ("batch_id", "job_id", "task_id")]
    assert [word for word in ("holiday", "Ann Nobody", *ids) if word in log_text] == []


def test_a_key_in_any_log_of_the_test_run_is_found(tmp_path, monkeypatch):
    """The search of all logs after the tests finds keys and passwords, in compressed files too."""
    monkeypatch.setattr(leaks, "_keys", set())
    monkeypatch.setattr(leaks, "_logs", set())
    leaks.use_settings({"API_KEY": "a-rest-key", "APP_USERS": "ann:her-word bob:his-word", "HOME": "/nowhere"})
    leaks.watch(tmp_path / "logs", tmp_path / "out", tmp_path / "never-written")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app-1.log.gz").write_bytes(gzip.compress(b"all is well\nhis-word\n"))
    (tmp_path / "logs" / "app.log").write_text("ann signs in at /nowhere\n")
    (tmp_path / "out").write_text("Bearer a-rest-key\n")
    assert [line.partition(": ")[2] for line in leaks.found()] == ["his-word", "Bearer a-rest-key"]
