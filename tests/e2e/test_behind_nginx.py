"""The app behind a real nginx, at another port, by TLS or below a path, with PUBLIC_URL saying where visitors are."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from image2model.devtools.local_services import free_port
from tests.e2e.test_rest_contract import ROBOT, events, post
from tests.support.browser import ROOT, App, Watch, drop, opened, settled

CONFIG = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_body_buffer_size 8m; proxy_max_temp_file_size 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} {tls};
    location {path}/ {{
      proxy_pass {app}/;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
      proxy_read_timeout 1h;
      client_max_body_size 700m;
    }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, **values: object) -> Iterator[None]:
    """Run nginx with this configuration until the block ends."""
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, **values))
    process = subprocess.Popen([shutil.which("nginx"), "-e", folder / "error.log", "-c", folder / "nginx.conf"])
    try:
        until = time.monotonic() + 30
        while socket.socket().connect_ex(("127.0.0.1", values["port"])):
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def certificate(folder: Path) -> str:
    """Directives that make nginx speak TLS, with its own certificate."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return f"ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem"


@pytest.mark.parametrize("kind", ["another port", "TLS", "below a path"])
def test_addresses_are_those_of_the_visitors(tmp_path: Path, kind: str):
    """The page's own address, its assets, uploads, streams and links of results all lead through the proxy."""
    port, path = free_port(), "/models" if kind == "below a path" else ""
    tls = certificate(tmp_path) if kind == "TLS" else ""
    public = f"{'https' if tls else 'http'}://127.0.0.1:{port}{path}"
    app = App(tmp_path, PUBLIC_URL=public, GENERATOR="local").start()
    try:
        with (
            nginx(tmp_path, port=port, path=path, tls=tls, app=app.url),
            httpx.Client(base_url=public, verify=False, timeout=120, trust_env=False) as visitor,  # noqa: S501
            httpx.Client(base_url=f"{public}/api/v1", verify=False, timeout=120, trust_env=False) as api,  # noqa: S501
        ):
            page = visitor.get("/")
            assert page.status_code == 200
            assert f'"root":"{public}"' in page.text
            assert visitor.get("/config").json()["root"] == public
            asset = re.search(r'(?:src|href)="\./(assets/[^"]+)"', page.text).group(1)
            assert visitor.get(f"/{asset}").status_code == 200
            batch = post(api, ("robot.jpg", ROBOT)).json()
            assert events(api, batch["task_id"])[-1][1] == "task_completed"
            (file,) = api.get(f"/download/{batch['job_id']}/all").json()["files"]
            assert file["model_url"].startswith(f"{public}/api/v1/download/")
            assert visitor.get(file["model_url"]).content[:4] == b"glTF"
            assert f'Client("{public}")' in visitor.get("/gradio_api/info").text.replace("\\", "")
            assert visitor.get("/admin", follow_redirects=True).url == f"{public}/?tab=admin"
    finally:
        app.stop()


@pytest.mark.browser
async def test_page_loads_behind_a_proxy_that_drops_the_port(app: App, chromium: Browser, tmp_path: Path):
    """Without PUBLIC_URL pictures, uploads and streams of the page are asked for where the page is, never elsewhere."""
    port = free_port()
    with nginx(tmp_path, port=port, path="", tls="", app=app.url):
        context = await chromium.new_context()
        watch = Watch(context, f"http://127.0.0.1:{port}/")
        page = await opened(await context.new_page(), f"http://127.0.0.1:{port}/")
        await drop(page, ROOT / "examples" / "robot.jpg")
        assert await pictures_loaded(page, "#create")
        await page.click("#generate")
        await settled(page)
        await page.reload()
        await settled(page)
        await expect(page.locator("#cost [data-mode=made]")).to_be_attached()  # the pictures are laid out again
        assert await pictures_loaded(page, "#create")
        await context.close()
    assert watch.wrongs == []


async def pictures_loaded(page: Page, place: str) -> bool:
    """True if all pictures below an element of the page are loaded."""
    script = "images => images.length > 0 && Promise.all(images.map(one => one.decode().then(() => one.naturalWidth)))"
    return bool(await page.locator(f"{place} img:visible").evaluate_all(script))
