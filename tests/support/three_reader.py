"""three.js in its own page, as a reader of mesh files that shares no code with ours."""

from __future__ import annotations

import base64
import json
import mimetypes
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.async_api import Page, Route

HERE = Path(__file__).parent
THREE = HERE.parent / "node_modules" / "three"
HOST = "http://three.test"
IMPORTS = {"three": "/three/build/three.module.js", "three/addons/": "/three/examples/jsm/"}
PAGE = f"""<!doctype html><script type="importmap">{json.dumps({"imports": IMPORTS})}</script>
<script type="module" src="/reader.mjs"></script>"""
KINDS = ("glb", "obj", "stl", "ply", "3mf", "usdz")


@dataclass(frozen=True, slots=True)
class Corners:
    """The corners of a file's triangles, three for each."""

    positions: np.ndarray
    """(3 × faces, 3)"""
    colours: np.ndarray
    """(3 × faces, 3), sRGB, 0 to 1"""
    textured: bool


class ThreeReader:
    """Opens files in a page to which nothing but three.js and these files is served."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._files: dict[str, bytes] = {}
        self._read = 0

    async def start(self) -> ThreeReader:
        """Load three.js."""
        await self._page.route("**/*", self._serve)
        await self._page.goto(HOST)
        await self._page.wait_for_function("() => Boolean(window.read)")
        return self

    async def read(self, path: Path) -> Corners:
        """Facts that three.js finds in this file; an OBJ comes in a zip."""
        self._files = _files(path)
        self._read += 1  # an address of its own, or the browser would take a file of this name from its cache
        name = next(name for name in self._files if Path(name).suffix[1:] in KINDS)
        kind = Path(name).suffix[1:]
        answer = await self._page.evaluate(
            "([kind, url]) => read(kind, url)", [kind, f"{HOST}/files/{self._read}/{name}"]
        )
        corners = np.frombuffer(base64.b64decode(answer["corners"]), "<f4").reshape(-1, 6).astype(float)
        return Corners(corners[:, :3], corners[:, 3:], answer["textured"])

    async def _serve(self, route: Route) -> None:
        path = route.request.url.removeprefix(HOST)
        if path == "/":
            await route.fulfill(content_type="text/html", body=PAGE)
        elif path == "/reader.mjs":
            await route.fulfill(content_type="text/javascript", path=HERE / "three_reader.mjs")
        elif path.startswith("/three/"):
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            await route.fulfill(content_type=kind, path=THREE / path.removeprefix("/three/"))
        elif (name := path.removeprefix(f"/files/{self._read}/")) in self._files:
            await route.fulfill(body=self._files[name])
        else:
            await route.abort()


def _files(path: Path) -> dict[str, bytes]:
    if path.suffix != ".zip":
        return {path.name: path.read_bytes()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
