"""A start that cannot succeed ends in one line, and one that is open to the world says so once."""

from __future__ import annotations

import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse

from image2model.devtools.local_services import free_port
from image2model.errors import ErrorCode, SettingsError
from image2model.ops.metrics import serve_counters
from image2model.settings import Settings
from image2model.web import server


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another socket listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_taken_port_ends_with_one_line(taken: int):
    """A taken port raises SettingsError in one line with the port and the reason."""
    with pytest.raises(SettingsError) as refused:
        server.bind("127.0.0.1", taken)
    message = str(refused.value)
    assert f"PORT={taken}" in message
    assert "in use" in message
    assert "\n" not in message


def test_a_scheduler_reports_its_counts_at_a_port_of_their_own(taken: int, tmp_path: Path):
    """Prometheus gets the process's counts at METRICS_PORT while the scheduler runs; a taken port is refused."""
    port = free_port()
    with serve_counters(Settings(data_dir=tmp_path, metrics_port=port, _env_file=None)):
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert {"image2model_jobs_ended", "fal_api_requests"} <= {
            family.name for family in text_string_to_metric_families(text)
        }
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")
    used = Settings(data_dir=tmp_path, metrics_port=taken, _env_file=None)
    with pytest.raises(SettingsError, match=rf"METRICS_PORT={taken}: Address already in use\."), serve_counters(used):
        pass


def test_next_free_port_is_used_when_none_is_set(taken: int, monkeypatch: pytest.MonkeyPatch):
    """A second app beside the first starts all the same; where none is free, that is reported."""
    monkeypatch.setattr(server, "DEFAULT_PORTS", [taken, 0])
    with server.bind("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] not in (0, taken)
    monkeypatch.setattr(server, "DEFAULT_PORTS", [taken])
    with pytest.raises(SettingsError):
        server.bind("127.0.0.1", 0)


def test_a_setting_that_cannot_be_used_ends_the_start_with_status_2(monkeypatch: pytest.MonkeyPatch, capfd):
    """One line on stderr and no traceback, whatever setting it is."""

    def refuse() -> Settings:
        raise SettingsError(ErrorCode.SETTING_WRONG, "PORT=1: Permission denied.", "PORT takes a free port.")

    monkeypatch.setattr(server, "load", refuse)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(server, "raise_file_limit", lambda: None)
    with pytest.raises(SystemExit) as ended:
        server.main()
    assert ended.value.code == 2
    assert capfd.readouterr().err == "image2model: PORT=1: Permission denied. PORT takes a free port.\n"


def test_as_many_connections_as_the_system_allows_may_be_open():
    """A soft limit that some hundred pages reach is raised, the hard one left as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        server.raise_file_limit()
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    most = server.MAX_OPEN_FILES
    assert raised == (most if hard == resource.RLIM_INFINITY else min(hard, most), hard)


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        ({"host": "0.0.0.0"}, 1),
        ({"host": "0.0.0.0", "public_url": "https://models.example.org"}, 0),
        ({"host": "0.0.0.0", "allowed_hosts": "models.example.org"}, 0),
        ({"host": "127.0.0.1"}, 0),
    ],
)  # fmt: skip
def test_public_app_with_urls_from_the_host_header_warns(settings: dict[str, str], warnings: int, caplog):
    """Open to the world without PUBLIC_URL or ALLOWED_HOSTS; at home, or with either, nothing is said."""
    server.warn_of_any_host(Settings(**settings, _env_file=None))
    assert len([record for record in caplog.records if "PUBLIC_URL" in record.message]) == warnings


@pytest.mark.parametrize(("status", "starts"), [(200, True), (500, False), (503, False)])
async def test_a_page_that_does_not_answer_is_no_start(status: int, starts: bool):
    """The port opens only after the page has been rendered, however long that took on a busy machine."""
    try:
        await server.render_page(PlainTextResponse(status_code=status), Settings(_env_file=None))
    except RuntimeError:
        assert not starts
    else:
        assert starts
