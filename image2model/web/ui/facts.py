"""Facts of one finished model, the main ones and all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...services import BatchView, JobView
from .results import made_by
from .templating import dollars, filesize, measure, render, seconds

MAX_LISTED = 6
"""Maximum length of lists, as a hostile mesh may have thousands of entries."""


def facts(view: BatchView, job: JobView, shared: bool) -> str:
    """The facts below the stage; in a shared batch beside it, with downloads."""
    known = job.facts or {}
    return render(
        "facts.html", shared=shared, title=job.filename.removesuffix(".glb"), strip=list(_strip(view, job, known)),
        rest=list(_rest(view, job, known)), warnings=known.get("warnings") or [], downloads=list(_downloads(view, job)),
    )  # fmt: skip


def _strip(view: BatchView, job: JobView, known: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows that are always visible."""
    if "faces" in known:
        yield _row("Faces", f"{known['faces']:,}")
    if known.get("dimensions"):
        yield _row("Size", " × ".join(map(_length, known["dimensions"])) + " m")
    if "size_bytes" in known:
        yield _row("File", filesize(known["size_bytes"]))
    if known.get("watertight") is not None:
        yield _row("Surface", "Closed" if known["watertight"] else _why_open(known))
    yield {**_row("3D printing", "Checking…"), "check": True}
    if job.elapsed is not None:
        yield _row("Made in", seconds(job.elapsed))
    yield _row("Price", dollars(job.cost) if job.cost else "Free")


def _rest(view: BatchView, job: JobView, known: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows that a click shows."""
    if "vertices" in known:
        yield _row("Vertices", f"{known['vertices']:,}")
    if limit := known.get("face_limit"):
        yield _row("Face limit", f"{limit['obtained']:,} faces for {limit['asked']:,} asked")
    if known.get("volume") is not None:
        yield _row("Volume", f"{measure(known['volume'])} m³")
    if known.get("genus"):
        yield _row("Handles", f"{known['genus']:,}")
    if (known.get("parts") or 0) > 1:
        yield _row("Pieces", f"{known['parts']:,}")
    if known.get("materials"):
        yield _row("Materials", f"{known['materials']:,}")
    if known.get("textures"):
        yield _row("Texture", _textures(known["textures"]))
    if known.get("extensions"):
        yield _row("Extensions", ", ".join(known["extensions"][:MAX_LISTED]))
    if job.sides:
        yield _row("Made from", ", ".join(side.side for side in job.sides))
    yield _row(
        "Made by", made_by(view).removeprefix("the ").capitalize() if "built-in" in made_by(view) else made_by(view)
    )


def _downloads(view: BatchView, job: JobView) -> Iterator[tuple[str, str, str, bool]]:
    """Links to save a model's files: address, name, size, and whether it is a picture."""
    yield job.url or "", job.filename, filesize((job.facts or {}).get("size_bytes")), False
    if view.zip and view.counts.done > 1:
        yield view.zip, f"All {view.counts.done} models, zip", "", False
    yield job.whole_picture, f"{job.name}, the picture", "", True


def _row(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value, "level": "", "check": False}


def _length(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= value < 100 else measure(value)


def _why_open(known: Mapping[str, Any]) -> str:
    if known.get("holes"):
        return "Open"
    return "Edges meet" if known.get("nonmanifold_edges") else "Open"


def _textures(sizes: Sequence[Sequence[int]]) -> str:
    """Each text once, with its count."""
    texts = [f"{width:,} × {height:,} px" if width else "unreadable" for width, height in sizes]
    counts = {text: texts.count(text) for text in dict.fromkeys(texts[:1000])}
    return ", ".join(f"{count} of {text}" if count > 1 else text for text, count in [*counts.items()][:MAX_LISTED])
