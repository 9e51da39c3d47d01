"""Shared fixtures: the running app, Chromium with a fresh profile, the stand-in for fal, services that are scripted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from image2model.devtools.app_process import wait_until_gone
from image2model.devtools.browser import CHROMIUM
from image2model.devtools.local_services import PostgresServer
from image2model.mesh import report
from image2model.mesh.export import export, parse_options
from image2model.process_pool import WorkerPool
from image2model.services import Services
from image2model.settings import Settings
from tests.support import leaks
from tests.support.attacks import FRIEND, PASSWORD
from tests.support.browser import App, Watch
from tests.support.fal_server import FalServer
from tests.support.scripted import ScriptedGenerator, scripted_settings

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 950}


TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by its folder, let browser tests share an event loop, and put first what takes long.

    So short files fill both workers at the end.
    """
    for item in items:
        item.add_marker(item.path.relative_to(TESTS).parts[0])
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
    items.sort(key=lambda item: not (item.get_closest_marker("browser") or item.get_closest_marker("load")))


@pytest.fixture(scope="session", autouse=True)
def no_log_tells_a_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail at the end if a line that this process or its apps have logged holds a key that was used."""
    handler = leaks.write_all(tmp_path_factory.mktemp("logged") / "all.log")
    yield
    handler.close()
    assert leaks.found() == []


@pytest.fixture(scope="module")
def stand_in() -> Iterator[FalServer]:
    """One server for all tests of a file."""
    with FalServer() as server:
        yield server


@pytest.fixture
def fal(stand_in: FalServer) -> FalServer:
    """The server as if just started."""
    stand_in.reset()
    return stand_in


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests of this process."""
    server = PostgresServer().start()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database of each kind that the store speaks to."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("postgres").database())


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """A folder for pictures that are about to be submitted."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


@pytest.fixture
def generator() -> ScriptedGenerator:
    """A generator that does what a test says."""
    return ScriptedGenerator()


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    """One warm worker process for all services, which would take two seconds each to start their own."""
    pool = WorkerPool(1, report.warm_up, preload=report.LIBRARIES)
    yield pool
    pool.close()


@pytest.fixture
async def services(tmp_path: Path, generator: ScriptedGenerator, pool: WorkerPool) -> AsyncIterator[Services]:
    """Started services with the scripted generator."""
    services = Services(scripted_settings(tmp_path / "data"), [generator], pool)
    await services.start()
    yield services
    await services.close()


@pytest.fixture
async def start(tmp_path: Path, generator: ScriptedGenerator, pool: WorkerPool) -> AsyncIterator[Callable[..., Any]]:
    """Start services in the test's folder; each start ends the previous services, as a new process would."""
    running: list[Services] = []

    async def start(*generators: ScriptedGenerator, settings: Settings | None = None, **more: Any) -> Services:
        while running:
            await running.pop().close()
        services = Services(settings or scripted_settings(tmp_path / "data", **more), generators or [generator], pool)
        await services.start()
        running.append(services)
        return services

    yield start
    while running:
        await running.pop().close()


@pytest.fixture
def export_glb(tmp_path: Path):
    """Function that exports a GLB and returns the report and the path of the file."""

    def export_to_tmp(data: bytes, form: str, **options):
        glb = tmp_path / "model.glb"
        glb.write_bytes(data)
        choice = parse_options(form, **options)
        target = tmp_path / "exports" / choice.filename("thing")
        facts = export(glb, choice, target, "thing")
        assert glb.read_bytes() == data, "the original is never touched"
        assert json.loads(target.with_name(target.name + ".json").read_text()) == facts
        return facts, target

    return export_to_tmp


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app, running; it must end cleanly within ten seconds."""
    # A key and an address where nothing answers: fal's models can be chosen, and nothing can be spent.
    app = App(
        tmp_path_factory.mktemp("app"), FAL_KEY="a-key-of:nobody-at-all", FAL_HOST="http://127.0.0.1:9",
        GENERATOR="local", UPLOADS_PER_MINUTE="1000", DAILY_BUDGET="1000",
    ).start()  # fmt: skip
    yield app
    workers = app.children()
    assert app.stop() == 0
    assert wait_until_gone(workers)


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app of its own, because attacks use up its tries; it knows two host names and believes one proxy."""
    folder = tmp_path_factory.mktemp("target")
    app = App(folder, ADMIN_PASSWORD=PASSWORD, ALLOWED_HOSTS="127.0.0.1 models.example.org", CORS_ORIGINS=FRIEND)
    yield app.start()
    app.stop()


@pytest.fixture(scope="session")
def visitor(target: App) -> Iterator[httpx.Client]:
    """A visitor of `target` with no rights."""
    with httpx.Client(base_url=target.url, timeout=120, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Headless Chromium that draws WebGL in software."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**CHROMIUM)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(app: App, chromium: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """A page of a new browser profile; no request may leave for another host and no error stay uncaught."""
    context = await chromium.new_context(
        viewport=getattr(request, "param", DESKTOP), accept_downloads=True, reduced_motion="reduce"
    )
    watch = Watch(context, app.url)
    yield await context.new_page()
    await context.close()
    assert watch.wrongs == []
