"""3MF in a few solid colours, for printers with several filaments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from image2model.errors import OptionRefused
from image2model.mesh.export import export, find_printer_colours, parse_options
from image2model.mesh.export.solid_colours import LINE_WIDTH_MM
from tests.support.exporting import model_3mf, sample
from tests.support.meshes import textured_box

PHOTO_COLOURS = {(40, 90, 160): 0.5, (220, 40, 40): 0.25, (60, 180, 80): 0.25}
"""Of the samples' texture, with the shares of its area."""


Painted = tuple[dict[str, Any], trimesh.Trimesh, np.ndarray, np.ndarray]
Paint = Callable[..., Painted]


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Export a GLB with solid colours; the report, the mesh, its colours (k, 3) and the index of each face's (m,)."""

    def run(glb: bytes, colors: int, size: float = 40) -> Painted:
        (tmp_path / "model.glb").write_bytes(glb)
        target = tmp_path / "thing.3mf"
        report = export(tmp_path / "model.glb", parse_options("3mf", colors=colors, size=size), target, "a <thing>")
        model, mesh = model_3mf(target)
        assert mesh.GetName() == "a <thing>"
        groups = model.GetColorGroups()
        assert groups.MoveNext()
        group = groups.GetCurrentColorGroup()
        ids = list(group.GetAllPropertyIDs())
        colours = [group.GetColor(number) for number in ids]
        of_faces = [mesh.GetTriangleProperties(face) for face in range(mesh.GetTriangleCount())]
        assert {face.PropertyIDs[0] for face in of_faces} == set(ids)
        assert {face.ResourceID for face in of_faces} == {group.GetResourceID()}
        body = trimesh.Trimesh([list(corner.Coordinates) for corner in mesh.GetVertices()],
                               [list(face.Indices) for face in mesh.GetTriangleIndices()], process=False)  # fmt: skip
        palette = np.array([(colour.Red, colour.Green, colour.Blue) for colour in colours])
        return report, body, palette, np.array([ids.index(face.PropertyIDs[0]) for face in of_faces])

    return run


def test_the_colours_are_those_of_the_texture_by_area(paint: Paint) -> None:
    """A ball whose texture has three colours gets these, that of the largest area first."""
    report, body, palette, of_faces = paint(sample("ball with a seam"), colors=3)
    assert body.is_watertight
    shares = np.bincount(of_faces, body.area_faces) / body.area
    for colour, share in PHOTO_COLOURS.items():
        (number,) = np.flatnonzero(np.abs(palette - colour).max(axis=1) <= 8)
        assert shares[number] == pytest.approx(share, abs=0.05)
    assert list(shares) == sorted(shares, reverse=True)
    assert "Its colours for the printer: #2" in report["notes"][-1]


def test_the_preview_has_the_colours_that_are_printed(paint: Paint, tmp_path: Path) -> None:
    """The preview has the hex colours and shares of the exported file, in its order."""
    report, _, palette, _ = paint(sample("ball with a seam"), colors=3)
    preview = find_printer_colours(tmp_path / "model.glb", parse_options("3mf", colors=3, size=40))
    assert preview["size_mm"] == 40
    assert [colour["hex"] for colour in preview["colors"]] == [f"#{r:02X}{g:02X}{b:02X}" for r, g, b in palette]
    assert report["notes"][-1].endswith(
        ", ".join(f"{colour['hex']} {colour['share']:.0%}" for colour in preview["colors"]) + "."
    )


def test_large_textured_faces_are_divided_and_the_mesh_stays_closed(paint: Paint) -> None:
    """A box of twelve faces shows the picture on it, each face of its mesh in one colour; in one colour it stays."""
    report, body, _, of_faces = paint(sample("textured box"), colors=3, size=10)
    assert report["faces_before"] == 12
    assert body.is_watertight
    assert len(body.faces) == report["faces"] == len(of_faces) > 1000
    assert len(set(of_faces[body.face_normals[:, 1] < -0.9])) == 2
    assert paint(sample("textured box"), colors=1, size=10)[0]["faces"] == 12


def test_no_region_is_narrower_than_a_line_of_the_nozzle(paint: Paint) -> None:
    """No region is narrower than a line of the nozzle: speckles and fine stripes vanish, broad stripes stay."""
    pixels = np.full((256, 256, 3), (200, 40, 40), np.uint8)
    pixels[:, 128:] = (40, 40, 200)
    pixels[:128:4] = (250, 250, 250)
    pixels[np.random.default_rng(0).random((256, 256)) < 0.02] = (20, 200, 20)
    glb = textured_box(Image.fromarray(pixels)).export(file_type="glb")
    _, body, _, of_faces = paint(glb, colors=4, size=6)
    same = of_faces[body.face_adjacency[:, 0]] == of_faces[body.face_adjacency[:, 1]]
    regions = trimesh.graph.connected_component_labels(body.face_adjacency[same], len(of_faces))
    areas = np.bincount(regions, body.area_faces)
    ends = body.vertices[body.face_adjacency_edges[~same]]
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    borders = sum(np.bincount(regions[body.face_adjacency[~same, side]], lengths, len(areas)) for side in (0, 1))
    assert len(areas) > 1
    assert (2 * areas >= 0.99 * LINE_WIDTH_MM * borders).all()


def test_mesh_without_colours_is_grey(paint: Paint) -> None:
    """A mesh without colours gets the colour in which it is shown, whatever is requested."""
    _, _, palette, _ = paint(sample("tube"), colors=4)
    assert palette.tolist() == [[196, 196, 196]]


@pytest.mark.parametrize(("form", "colors"), [("3mf", 0), ("3mf", 9), ("3mf", "many"), ("stl", 4), ("glb", 4)])
def test_other_numbers_and_formats_are_refused(form: str, colors: object) -> None:
    """Other numbers than one to eight, and other formats than 3MF, are refused."""
    with pytest.raises(OptionRefused) as refused:
        parse_options(form, colors=colors)  # type: ignore[arg-type]  # callers of the API send anything
    assert refused.value.code == "option_out_of_range"


def test_files_of_other_numbers_of_colours_have_other_names() -> None:
    """Files of different numbers of colours have different names."""
    names = {parse_options("3mf", colors=colors).filename("x") for colors in (None, 2, "3")}
    assert names == {"x-100mm.3mf", "x-100mm-2-colors.3mf", "x-100mm-3-colors.3mf"}
