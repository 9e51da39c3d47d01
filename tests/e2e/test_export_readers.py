"""The exports of ten GLBs of several programs, opened in three.js as well as in the library that checked them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import trimesh
from playwright.async_api import Browser

from image2model.mesh.export import export, parse_options
from tests.support.samples import TEN, ten
from tests.support.three_reader import Corners, ThreeReader

pytestmark = pytest.mark.browser

WAYS = {
    "glb": {"format": "glb"}, "meshopt": {"format": "glb", "packing": "meshopt"},
    "Draco": {"format": "glb", "packing": "draco"}, "obj": {"format": "obj"}, "stl": {"format": "stl"},
    "ply": {"format": "ply"}, "3mf": {"format": "3mf"}, "usdz": {"format": "usdz"},
}  # fmt: skip
CHECKED_WITH = {"meshopt": "meshoptimizer", "usdz": "OpenUSD", "3mf": "lib3mf", "obj": "tinyobjloader"}
SIDE = 80
COLOURED = {"glb": 0.002, "meshopt": 0.002, "Draco": 0.002, "obj": 0.002, "3mf": 0.002, "usdz": 0.002}
"""How far colours may be off."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def three(chromium: Browser):
    """three.js, loaded once."""
    page = await chromium.new_page()
    yield await ThreeReader(page).start()
    await page.close()


def original(data: bytes) -> Corners:
    """The corners of a GLB as trimesh finds them, scaled to the longest side that is asked for."""
    scene = trimesh.load_scene(io.BytesIO(data), file_type="glb", process=False)
    placed = scene.dump()
    positions = np.concatenate([mesh.vertices[mesh.faces].reshape(-1, 3) for mesh in placed])
    colours = np.concatenate([painted(mesh) for mesh in placed])
    textured = any(texture_of(mesh) for mesh in placed)
    return Corners(positions * SIDE / np.ptp(positions, axis=0).max(), colours, textured)


def texture_of(mesh: trimesh.Trimesh) -> Any:
    """The picture of a mesh's base colour, or None."""
    return getattr(getattr(mesh.visual, "material", None), "baseColorTexture", None)


def painted(mesh: trimesh.Trimesh) -> np.ndarray:
    """The colour (sRGB, 0 to 1) of each corner, a little inside its triangle where there is a texture."""
    texture = texture_of(mesh)
    if texture is None:
        factor = getattr(getattr(mesh.visual, "material", None), "baseColorFactor", None)
        linear = np.array([255] * 3 if factor is None else factor[:3]) / 255
        srgb = np.where(linear < 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
        return np.tile(srgb, (mesh.faces.size, 1))
    corners = mesh.visual.uv[mesh.faces]
    places = (0.8 * corners + 0.1 * np.roll(corners, -1, axis=1) + 0.1 * np.roll(corners, 1, axis=1)).reshape(-1, 2)
    pixels = np.asarray(texture.convert("RGB")) / 255
    column, row = (((places - np.floor(places)) * pixels.shape[1::-1]).astype(int)).T
    return pixels[-1 - row, column]


def bounds(corners: Corners) -> np.ndarray:
    """The least and the greatest x, y and z, (2, 3)."""
    return np.array([corners.positions.min(0), corners.positions.max(0)])


def by_octant(corners: Corners) -> np.ndarray:
    """The mean colour (sRGB, 0 to 1) in each eighth, about, of the bounding box, (8, 3)."""
    low, high = bounds(corners)
    eighth = (corners.positions - low > (high - low) * 0.47) @ [1, 2, 4]
    count = np.bincount(eighth, minlength=8)
    sums = np.stack([np.bincount(eighth, values, 8) for values in corners.colours.T], axis=1)
    return sums / np.maximum(count, 1)[:, None]


@pytest.mark.parametrize("name", TEN)
async def test_each_export_is_the_same_mesh_in_three(three: ThreeReader, tmp_path: Path, name: str):
    """Faces, bounds and, where the format has them, colours in their places are those of the original."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(ten(name))
    before = original(ten(name))
    for way, options in WAYS.items():
        choice = parse_options(**options, size=SIDE, up="y", pivot="keep")
        path = tmp_path / way / choice.filename("thing")
        made = export(glb, choice, path, "thing")
        seen = await three.read(path)
        assert made["checked_with"] == CHECKED_WITH.get(way, "trimesh")
        assert made["faces"] * 3 == len(seen.positions) == len(before.positions)
        scale = 1000 if choice.format.unit == "m" else 1
        assert bounds(seen) * scale == pytest.approx(bounds(before), abs=SIDE / 1000)
        assert seen.textured is (before.textured and choice.format.colour == "textures")
        if way in COLOURED:
            assert by_octant(seen) == pytest.approx(by_octant(before), abs=COLOURED[way])
