"""The pictures of the next batch: checked when they are dropped, shown as tiles, joined if they show one object."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

import gradio as gr
from PIL import Image, ImageOps

from ...errors import ImageRefused
from ...file_names import clean_name
from ...services import NOT_INSPECTED, Services, Spec
from . import assets, templating
from .event_options import EVERY_EVENT, HIDDEN
from .object_grouping import NO_OVERRIDES, Object, decide, objects, problem
from .picture_cache import MAX_PICTURES, PictureCache, keep_newest
from .theme import html

PACKAGE = Path(__file__).parents[2]
EXAMPLES = next(filter(Path.is_dir, (PACKAGE / "examples", PACKAGE.parent / "examples")))
"""The example pictures: within an installed package, or beside the package in a checkout."""
INSPECTION_ATTEMPTS, INSPECTION_PAUSE = 4, 2.0
"""Attempts at an inspection that times out, and the seconds between them."""
MAX_CONCURRENT_INSPECTIONS = 2
"""Inspections of one page that run at the same time."""
FIRST_VERDICT_SECONDS = 0.5
"""Seconds for which the other files of a drop wait for the inspection of the first, whose worker has low priority."""
MAX_VERDICTS = MAX_PICTURES // 4
"""Maximum number of cached verdicts; each names three pictures of the cache, which must last as long."""
SHORT_LABELS: Mapping[str, str] = {
    "several_subjects": "Several things",
    "no_subject": "No clear subject",
    "blurred": "Blurred",
    "small": "Small",
    "first_frame": "First frame",
    "first_page": "First page",
    "too_small": "Too small",
    "unsupported_format": "Not JPEG or PNG",
    "not_an_image": "Not a picture",
    "damaged": "Damaged",
    "file_too_large": "Too large",
    "too_many_pixels": "Too large",
    "extreme_shape": "Too narrow",
    "fully_transparent": "Nothing on it",
    "empty_file": "Empty file",
    "too_many": "One too many",
}
"""Labels of a tile by the code of its warning or refusal."""
PASSED_LABELS = (("several_subjects", "One subject found"), ("blurred", "Sharp"), ("small", "Large enough"))
"""Labels by the code of a warning that was not found."""


THUMBNAIL_SIDE = 120
"""Pixels of an example's thumbnail, which is shown at half the size."""


class _ShowRun:
    """One run of `Pictures.show`: of a page's runs only the newest goes on."""


class Pictures:
    """The gallery that receives files, and the tiles that show them."""

    def __init__(self, services: Services, cache: PictureCache) -> None:
        self.services, self.cache = services, cache
        self._newest: WeakValueDictionary[str, _ShowRun] = WeakValueDictionary()
        self.verdicts: OrderedDict[str, dict[str, Any]] = OrderedDict()
        """Data of the tiles of inspected pictures, by path; Gradio's paths contain a hash of the contents."""
        self._inspecting: dict[str, asyncio.Task[bool]] = {}
        settings = services.settings
        self.images = gr.Gallery(
            label="Pictures", type="filepath", file_types=["file"], sources=["upload", "clipboard"],
            interactive=True, elem_id="images", buttons=[],
        )  # fmt: skip
        self.decided = gr.State(NO_OVERRIDES)
        self.refused = gr.JSON([], visible="hidden", elem_id="refused")
        self.arrived = gr.Gallery(type="filepath", file_types=["file"], visible="hidden", elem_id="arrived")
        self.results = gr.JSON([], visible="hidden", elem_id="check-results")
        self.head = html(self._head(0, 0, False), elem_id="pictures-head")
        self.cut_out = gr.Checkbox(False, label="Remove background", container=False, elem_id="sent-choice")
        empty = templating.render("tiles.html", tiles=[], most=settings.max_files, size=settings.max_file_mb)
        self.tiles = html(
            empty, elem_id="tiles", js_on_load=assets.script("tiles", "select", "input", "clear", "upload", "focus")
        )
        gr.set_static_paths([EXAMPLES])  # served in place; the sweep would delete copies in Gradio's cache
        shown = [(path.stem, _inline_thumbnail(path)) for path in examples()]
        self.examples = html(
            templating.render("examples.html", examples=shown), elem_id="examples", visible=bool(shown),
            js_on_load=assets.script("examples", "select"),
        )  # fmt: skip

    def connect(self, generator: gr.HTML) -> Iterator[Any]:
        """Add the listeners; yield each event that changes the pictures, for the steps that follow."""
        both = [self.images, self.refused]
        checked = self.tiles.upload(
            self.check_arrived, [self.arrived, self.images], [self.arrived, self.results], **EVERY_EVENT,
            js="async (arrived, images) => [(await image2model).uploads.toCheck(), images]",
        )  # fmt: skip
        checked.failure(None, None, None, js=assets.call("uploads.failed"))
        merge = assets.call("uploads.checked")
        yield checked.then(None, [self.arrived, self.results, *both], both, js=merge)
        self.tiles.focus(self.services.picture_checks.warm_up, None, None, **HIDDEN)
        yield self.images.upload(self.check_uploads, both, both, **EVERY_EVENT)
        yield self.examples.select(None, self.images, self.images, js=self._add_example)
        yield self.tiles.clear(None, both, both, js=assets.call("pictures.withoutRemoved"))
        yield self.tiles.input(self.decide, [self.images, self.decided, generator], self.decided, **HIDDEN)

    def _head(self, count: int, refused: int, made: bool) -> str:
        most = self.services.settings.max_files
        return templating.render("pictures_head.html", count=count, refused=refused, most=most, made=made)

    def showing(self, generator: gr.HTML, batch: gr.Textbox) -> dict[str, Any]:
        """Return the step that shows the current pictures."""
        inputs = [self.images, self.refused, self.decided, self.cut_out, generator, batch]
        return {
            "fn": self.show,
            "inputs": inputs,
            "outputs": [self.head, self.tiles],
            "concurrency_limit": 50,
            **EVERY_EVENT,
        }

    @property
    def _add_example(self) -> str:
        """JavaScript that adds the clicked example in the browser, so that of two quick clicks none is lost."""
        given = json.dumps([{"image": _file(path), "caption": None} for path in examples()])
        most = self.services.settings.max_files
        return f"async (images) => (await image2model).pictures.addExample(images, {given}, {most})"

    async def check_uploads(
        self, images: list[tuple[str, Any]] | None, refused: list[Any]
    ) -> tuple[list[str], list[Any]]:
        """Check files that Gradio's gallery has uploaded; return the accepted ones and the refusals."""
        accepted, results = await self._check(paths_of(images), 0)
        return accepted, [*(refused or []), *filter(None, results)]

    async def check_arrived(
        self, arrived: list[tuple[str, Any]] | None, images: list[tuple[str, Any]] | None
    ) -> tuple[list[str], list[dict[str, str] | None]]:
        """Check files that join the gallery's: the accepted pictures, and for each file its refusal or None."""
        accepted, results = await self._check(paths_of(arrived), len(images or []))
        if len(accepted) == 1:  # the page sends the first file of a drop alone
            await asyncio.wait([self.inspect(accepted[0])], timeout=FIRST_VERDICT_SECONDS)
        return accepted, results

    async def _check(self, files: Sequence[str], present: int) -> tuple[list[str], list[dict[str, str] | None]]:
        """Check files beside the number that is `present`: the accepted ones, and for each its refusal or None."""
        paths = [Path(path) for path in files]
        most = self.services.settings.max_files
        accepted: list[str] = []
        refusals: list[dict[str, str] | None] = []
        results = self.services.uploads.check(paths)
        for path in paths:
            if present + len(accepted) >= most:
                message = f"One batch takes up to {most} pictures. Make another batch of it."
                refusals.append(_refusal(path, "too_many", message, self.cache.thumbnail(str(path))))
                continue
            result = await anext(results)
            if isinstance(result, ImageRefused):
                preview = await self.services.uploads.refused_preview(path)
                refusals.append(_refusal(path, result.code, str(result), self.cache.put(preview) if preview else ""))
            else:
                shown = str(await self.services.uploads.browser_displayable(path, result))
                accepted.append(shown)
                refusals.append(None)
                self.cache.put_thumbnail(shown, result.thumbnail)
                if len(self._inspecting) < MAX_CONCURRENT_INSPECTIONS:  # the page will request it next
                    self.inspect(shown)
        await results.aclose()
        return accepted, refusals

    def inspect(self, path: str) -> asyncio.Task[bool]:
        """Start the inspection of a picture file, or join a running one; the task returns whether there is a verdict.

        It continues if nobody waits for it: stopping it would end its worker.
        """
        if path not in self._inspecting:
            self._inspecting[path] = asyncio.create_task(self._inspect(path))
            self._inspecting[path].add_done_callback(lambda _: self._inspecting.pop(path))
        return self._inspecting[path]

    async def _inspect(self, path: str) -> bool:
        """Store the verdict on a picture file; return False if its inspection timed out."""
        checks = self.services.picture_checks
        inspection = await checks.inspect(Path(path))
        if inspection is NOT_INSPECTED:
            return False
        warnings = [
            ("bad" if code == "no_subject" else "warn", words)
            for code, words in zip(inspection.warnings, checks.warning_texts(inspection), strict=True)
        ]
        passed = [
            ("ok", words) for code, words in PASSED_LABELS if code not in inspection.warnings and inspection.cutout
        ]
        verdict = {
            "cutout": self.cache.put(inspection.cutout) if inspection.cutout else "",
            "mask": self.cache.put(inspection.mask) if inspection.mask else "",
            "checks": [*warnings, *passed],
            "level": "warn" if inspection.warnings else "ok",
            "words": SHORT_LABELS[inspection.warnings[-1]] if inspection.warnings else "Ready",
        }
        keep_newest(self.verdicts, path, verdict, MAX_VERDICTS)
        return True

    async def decide(
        self, images: list[tuple[str, Any]] | None, decided: Mapping[str, Any], generator: str, event: gr.EventData
    ) -> dict[str, list[Any]]:
        """Join pictures into an object, split one, or set a picture's side."""
        paths = paths_of(images)
        chosen = [path for path in getattr(event, "paths", []) if path in paths]
        spec = self.services.generator(generator).spec
        return decide(paths, decided, str(getattr(event, "act", "")), chosen, str(getattr(event, "side", "")), spec)

    async def show(
        self,
        images: list[tuple[str, Any]] | None,
        refused: list[Any] | None,
        decided: Mapping[str, Any],
        cut_out: bool,
        generator: str,
        batch_id: str,
        request: gr.Request,
    ) -> AsyncIterator[Any]:
        """Show each picture at once, and its inspection as soon as it is done."""
        session = str(request.session_hash)
        run = self._newest[session] = _ShowRun()
        tiles = _Tiles(self, paths_of(images), refused or [], decided, cut_out, self.services.generator(generator).spec)
        yield self._head(len(paths_of(images)), len(refused or []), bool(batch_id)), tiles.html()
        for attempt in range(INSPECTION_ATTEMPTS):
            if not tiles.unknown:
                return
            await asyncio.sleep(INSPECTION_PAUSE if attempt else 0)
            async for _ in tiles.inspections():
                if self._newest.get(session) is not run:  # the page has changed meanwhile
                    yield gr.skip(), gr.skip()
                    return
                yield gr.skip(), tiles.html()
        tiles.give_up()
        yield gr.skip(), tiles.html()


class _Tiles:
    """State of the tiles of one run of `Pictures.show`: the verdicts so far."""

    def __init__(
        self,
        owner: Pictures,
        paths: list[str],
        refused: list[Any],
        decided: Mapping[str, Any],
        cut_out: bool,
        spec: Spec,
    ) -> None:
        self._owner, self._paths, self._refused, self._spec = owner, paths, refused, spec
        self._cut_out, self._given_up = cut_out, False
        self._timed_out: set[str] = set()
        self._known = {path: owner.verdicts[path] for path in paths if path in owner.verdicts}
        self._objects = objects(paths, decided)

    @property
    def unknown(self) -> list[str]:
        """The files that are still to be inspected."""
        return [path for path in dict.fromkeys(self._paths) if path not in self._known]

    async def inspections(self) -> AsyncIterator[None]:
        """Inspect the unknown files in order, MAX_CONCURRENT_INSPECTIONS at a time; yield whenever some are done."""
        waiting = iter(self.unknown)
        pending: dict[asyncio.Task[bool], str] = {}
        while True:
            pending |= {
                self._owner.inspect(path): path for path in islice(waiting, MAX_CONCURRENT_INSPECTIONS - len(pending))
            }
            if not pending:
                return
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                path = pending.pop(task)
                if task.result():
                    self._known[path] = self._owner.verdicts[path]
                else:
                    self._timed_out.add(path)
            yield

    def give_up(self) -> None:
        """Mark the files that could not be inspected as not checked; they can be sent."""
        self._given_up = True

    def html(self) -> str:
        """The tiles in their present state."""
        takes = self._spec.sides
        together = {path for group in self._objects for path in group.values()} if takes else set()
        fronts = {group["front"]: group for group in self._objects} if takes else {}
        tiles = [
            self._object(fronts[path]) if path in fronts else self._single(path)
            for path in self._paths
            if path in fronts or path not in together
        ]
        tiles += [self._left_out(refusal) for refusal in self._refused]
        if tiles:
            tiles[0]["first"] = True
        settings = self._owner.services.settings
        return templating.render(
            "tiles.html", tiles=tiles, count=len(self._paths), most=settings.max_files, size=settings.max_file_mb,
            cut_out=self._cut_out, sides=takes, warning=self._warning(),
            joinable=bool(takes) and len(self._paths) - len(together) > 1,
        )  # fmt: skip

    def _warning(self) -> str:
        """Warning if names form an object and the generator accepts one picture only."""
        if self._spec.sides or not self._objects:
            return ""
        names = "; ".join(", ".join(Path(path).name for path in group.values()) for group in self._objects)
        return (
            f"{names}: views of one object, by their names. {self._spec.name} takes one view and makes a model of each "
            "picture; generators with several views make one of all."
        )

    def _single(self, path: str) -> dict[str, Any]:
        words = "Takes long; tried again soon" if path in self._timed_out else "Checking…"
        unknown = {"level": "", "words": "Not checked"} if self._given_up else {"level": "wait", "words": words}
        return {
            "path": path,
            "name": clean_name(Path(path).name),
            "url": self._owner.cache.thumbnail(path) or file_url(path),
            "checks": [],
            **(self._known.get(path) or unknown),
        }

    def _object(self, group: Object) -> dict[str, Any]:
        views = [{"side": side, **self._single(group[side])} for side in self._spec.sides if side in group]
        worst = min(views, key=lambda view: ["bad", "warn", "wait", "", "ok"].index(view["level"]))
        return {
            "path": group["front"],
            "name": _stem(views[0]["name"]),
            "views": views,
            "problem": problem(group, self._spec),
            "level": worst["level"],
            "words": worst["words"],
        }

    def _left_out(self, refusal: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "path": str(refusal["path"]),
            "name": str(refusal["name"]),
            "url": str(refusal["preview"]),
            "refused": str(refusal["message"]),
            "level": "bad",
            "words": SHORT_LABELS.get(str(refusal["code"]), "Left out"),
            "checks": [["bad", str(refusal["message"])]],
        }


def paths_of(images: Any) -> list[str]:
    """The files of a gallery's value."""
    return [str(path) for path, _ in images or []]


def rejected_texts(refused: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """Lines above the button about the rejected files."""
    if not refused:
        return []
    if len(refused) > 2:
        return [f"{len(refused)} files are left out; each says why."]
    return [
        f"{refusal['name']} is left out: {refusal['message'][:1].lower()}{refusal['message'][1:]}"
        for refusal in refused
    ]


def examples() -> list[Path]:
    """The example photographs that ship with the project."""
    return sorted(EXAMPLES.glob("*.jpg"))


def _inline_thumbnail(path: Path) -> str:
    """A picture file as a small square WebP in a data URL, which needs no request and is never swept away."""
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.draft("RGB", (THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        ImageOps.fit(image, (THUMBNAIL_SIDE, THUMBNAIL_SIDE)).save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def file_url(path: str) -> str:
    """Address of an uploaded file at Gradio, relative to the page."""
    return f"gradio_api/file={quote(path)}"


def _file(path: Path) -> dict[str, Any]:
    return {
        "path": str(path), "url": file_url(str(path)), "orig_name": path.name, "mime_type": "image/jpeg",
        "meta": {"_type": "gradio.FileData"},
    }  # fmt: skip


def _stem(name: str) -> str:
    """Name of an object by its front's file name: `cup_front.png` is cup."""
    stem = Path(name).stem
    bare = stem.removesuffix("front").removesuffix("Front").rstrip(" _-.")
    return bare or stem


def _refusal(path: Path, code: str, message: str, preview: str) -> dict[str, str]:
    return {"path": str(path), "name": clean_name(path.name), "code": code, "message": message, "preview": preview}
