"""What programs call: named, typed and documented endpoints of Gradio's API. Nothing else is public.

Each is a hidden button's click, because Gradio checks uploads for components and not for `gr.api`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from ..errors import ErrorCode, Image2ModelError, ImageRefused, OptionRefused
from ..generators.base import SIDES, Side
from ..images.fetch import fetch_image
from ..services import Picture, Studio, together
from .generator_schema import describe
from .middleware.correlation import correlation_of
from .public_address import client_of, public_root

GENERATOR = "Id of a generator (see /list_generators); empty: the default one"
FACES = "Number of faces wanted, where the generator takes one; empty: its own choice"
OPTIONS = (
    "The generator's options by name (see /list_generators); `cut_out`: true sends the subject alone; `sides` puts "
    'pictures of one object together as one job: "by_name" (cup_front.png, cup_back.png, cup_left.png), or each object '
    'with the numbers of its pictures from 1: [{"front": 1, "back": 2}]'
)
BATCH = "Id of a batch, from /submit_batch"
NUMBER = "Number of a job in its batch, from 1"
FORMAT = "glb, obj, stl, 3mf, ply or usdz"
EXPORT = "Options of the export, each may be left out: size, unit, up, pivot, face_limit, packing, repair"
SIZE = "Length of the longest side, in mm; empty: 100"
UNREADABLE = (
    'A value is missing or of another kind than is taken here. Pictures go as files, like handle_file("cat.jpg"); '
    "/gradio_api/info describes all of it."
)
INTERNAL = "Something went wrong here, and it is not your fault. Try again; if it stays, tell the host when it was."
ADDRESSES = ("url", "thumbnail", "turntable", "picture", "whole_picture")
"""What a job's view tells as addresses relative to the page."""


class Api:
    """The endpoints of one studio."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    async def generate(
        self,
        image: str,
        generator: str | None = None,
        face_limit: float | None = None,
        options: dict[str, Any] | None = None,
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  Gradio finds it by this default
    ) -> tuple[str, dict[str, Any]]:
        """Turn one picture into a GLB; returns the file and its facts. Leaves a batch of one behind it.

        For several sides of one object see /generate_from_sides.
        """
        return await self._generate({"front": image}, generator, face_limit, options, request, progress)

    async def generate_from_sides(
        self,
        front: str,
        back: str | None = None,
        left: str | None = None,
        right: str | None = None,
        generator: str | None = None,
        face_limit: float | None = None,
        options: dict[str, Any] | None = None,
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  Gradio finds it by this default
    ) -> tuple[str, dict[str, Any]]:
        """Turn pictures of one object's sides into one GLB, with a generator that takes them (see /list_generators).

        It is one job at one price. Left and right are the object's own. Returns the same as /generate.
        """
        shown: dict[Side, str | None] = {"front": front, "back": back, "left": left, "right": right}
        return await self._generate(shown, generator, face_limit, options, request, progress)

    async def _generate(
        self,
        shown: Mapping[Side, str | None],
        generator: str | None,
        face_limit: float | None,
        options: dict[str, Any] | None,
        request: gr.Request | None,
        progress: gr.Progress,
    ) -> tuple[str, dict[str, Any]]:
        images = {side: image for side, image in shown.items() if image}
        sides = [{side: number for number, side in enumerate(images, 1)}] if images.keys() - {"front"} else None
        given = {**_object(options), **({"sides": sides} if sides else {})}
        batch = await self._submit(list(images.values()), generator, face_limit, given, request)
        view: dict[str, Any] = {}
        async for view in self.studio.watch(batch.id):
            progress(view["jobs"][0]["progress"], desc=view["jobs"][0]["message"])
        job = view["jobs"][0]
        if job["error"]:
            raise gr.Error(f"{job['error']['code']}: {job['error']['message']}", print_exception=False)
        if not job["url"]:
            raise gr.Error("cancelled: This job was cancelled.", print_exception=False)
        mesh = await self.studio.lend(batch.id, 1, job["filename"])
        return str(mesh), {
            "batch_id": batch.id,
            "name": job["filename"],
            **job["facts"],
            "cost": job["cost"],
        }

    async def submit_batch(
        self,
        images: list[str],
        generator: str | None = None,
        face_limit: float | None = None,
        options: dict[str, Any] | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Start a batch and return at once: its id, its jobs, the pictures that were left out, and the cost."""
        batch = await self._submit(images, generator, face_limit, options, request)
        view = await self.studio.view(batch.id)
        return {
            "batch_id": batch.id,
            "jobs": [{key: job[key] for key in ("id", "number", "name", "filename", "state")} for job in view["jobs"]],
            "rejected": view["rejected"],
            "cost": view["cost"],
        }

    async def picture_warnings(self, batch_id: str) -> list[dict[str, Any]]:
        """What will likely go wrong with a batch's pictures; each takes up to a second to be looked at."""
        return await self.studio.inputs.warnings(await self.studio.batch(batch_id))

    async def batch_status(self, batch_id: str, request: gr.Request) -> dict[str, Any]:
        """The state of a batch and of each of its jobs, with progress, facts, errors and addresses."""
        return _absolute(await self.studio.view(batch_id), request)

    async def watch_batch(self, batch_id: str, request: gr.Request) -> AsyncIterator[dict[str, Any]]:
        """The same as /batch_status at each change, until the batch is finished."""
        async for view in self.studio.watch(batch_id):
            yield _absolute(view, request)

    async def cancel_batch(self, batch_id: str, request: gr.Request) -> dict[str, Any]:
        """Stop what is not finished; returns the batch's status."""
        return _absolute(await self.studio.cancel(batch_id), request)

    async def retry_batch(self, batch_id: str, request: gr.Request) -> dict[str, Any]:
        """Work again what failed or was cancelled; returns the batch's status."""
        return _absolute(await self.studio.retry(batch_id, client=client_of(request)), request)

    async def delete_batch(self, batch_id: str) -> dict[str, Any]:
        """Stop a batch and delete it with all its files."""
        await self.studio.delete(batch_id)
        return {"batch_id": batch_id, "deleted": True}

    async def export(
        self,
        batch_id: str,
        number: float,
        format: str = "stl",
        export_options: dict[str, Any] | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """One finished mesh in another format, size or face count; returns the file and what is known of it.

        Options: size with unit (mm, cm, m, in), measure (what the size is of: longest, height), up (y, z),
        pivot (keep, centre, bottom), face_limit, packing (none, meshopt, draco; GLB only),
        repair (none, solid, rebuild).
        """
        (choice,) = self.studio.meshes.choices([format or "stl"], _object(export_options))
        made = await self.studio.meshes.export(batch_id, _whole(number), choice)
        return str(await self.studio.meshes.lend(batch_id, made)), {"name": made.filename, **made.facts}

    async def print_check(
        self, batch_id: str, number: float, size: float | None = None, measure: str = "longest"
    ) -> dict[str, Any]:
        """Whether a finished mesh is ready to print at a size in mm (of its longest side, or its height), and why not.

        With what mending would make of it.
        """
        return await self.studio.meshes.print_check(batch_id, _whole(number), size or None, measure=measure)

    async def download_batch(
        self, batch_id: str, formats: list[str] | None = None, export_options: dict[str, Any] | None = None
    ) -> str:
        """The finished meshes of a batch as one zip, with thumbnails and manifest.json.

        With formats, or options as /export takes them, the zip holds these exports instead.
        For large batches rather fetch the address `zip` of /batch_status, which is streamed.
        """
        if formats or export_options:
            wanted = formats if isinstance(formats, (str, list)) else [formats or "glb"]
            choices = self.studio.meshes.choices(wanted, _object(export_options))
            return str(await self.studio.meshes.lend_archive(batch_id, choices))
        if not (await self.studio.view(batch_id))["zip"]:
            raise gr.Error("nothing_done: No mesh of this batch is finished yet. Try later.", print_exception=False)
        return str(await self.studio.lend_archive(batch_id))

    async def turntable(self, batch_id: str, number: float = 1) -> str:
        """One finished mesh of a batch (the first: 1) turning once around, as an animated WebP; takes some seconds."""
        return str(await self.studio.lend(batch_id, _whole(number), "turntable.webp"))

    async def list_generators(self) -> list[dict[str, Any]]:
        """The generators on offer: what they are good at, options with ranges, price, usual time, availability."""
        return [describe(generator) for generator in self.studio.generators.values()]

    async def _submit(
        self,
        images: list[str],
        generator: str | None,
        face_limit: float | None,
        options: dict[str, Any] | None,
        request: gr.Request | None,
    ) -> Any:
        given = _object(options)
        cut_out, sides = given.pop("cut_out", False) is True, given.pop("sides", None)
        return await self.studio.submit(
            together([Picture(Path(image), Path(image).name) for image in images or []], sides),
            generator=generator or None,
            options=given,
            cut_out=cut_out,
            face_limit=face_limit,
            client=client_of(request),
            correlation_id=correlation_of(request),
        )

    async def fetch(self, address: str | Path | None) -> str | None:
        """Bring a picture that was given as an address into the upload cache, in place of Gradio's unbounded fetch."""
        folder = self.studio.folders.cache / uuid.uuid4().hex
        await asyncio.to_thread(folder.mkdir, parents=True)
        try:
            name = await fetch_image(str(address), folder / "picture", self.studio.limits.max_bytes)
        except ImageRefused as refusal:
            raise gr.Error(f"{refusal.code}: {refusal}", print_exception=False) from None
        return str((folder / "picture").rename(folder / name))


def _absolute(view: dict[str, Any], request: gr.Request | None) -> dict[str, Any]:
    """The view with whole addresses in place of ones relative to the page."""
    root = public_root(request)
    jobs = [
        {
            **job,
            **{key: f"{root}/{job[key]}" for key in ADDRESSES if job[key]},
            "sides": [{**one, "picture": f"{root}/{one['picture']}"} for one in job["sides"]],
        }
        for job in view["jobs"]
    ]
    return {**view, "zip": f"{root}/{view['zip']}" if view["zip"] else None, "jobs": jobs}


def _object(options: Any) -> dict[str, Any]:
    """Options as they came, whatever a program has sent in their place; raises OptionRefused."""
    if isinstance(options, dict):
        return dict(options)
    if not options:
        return {}
    raise OptionRefused(
        ErrorCode.OPTIONS_UNREADABLE, "The options are no JSON object.", 'Write them like {"detail": "low"}.'
    )


def _whole(number: Any) -> int:
    """The number of a job as it came; raises OptionRefused."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if int(number) == float(number) and not isinstance(number, bool):
            return int(number)
    raise OptionRefused(
        ErrorCode.NUMBER_UNREADABLE, f"{str(number)[:60]!r} is no number of a job.", "They count from 1."
    )


def _told(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, its errors told as `code: sentence`."""

    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:
            raise _as_told(error) from error

    return call


def _told_stream(function: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    @wraps(function)
    async def stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        try:
            async for value in function(*args, **kwargs):
                yield value
        except gr.Error:
            raise
        except Exception as error:
            raise _as_told(error) from error

    return stream


def _as_told(error: Exception) -> gr.Error:
    """The error as programs are told it; one that nobody has thought of goes into the logs, too."""
    if isinstance(error, Image2ModelError):
        return gr.Error(f"{error.code}: {error}", print_exception=False)
    if isinstance(error, UnicodeEncodeError):  # half a character, which JSON can hold and nothing else
        return gr.Error(f"input_unreadable: {UNREADABLE}", print_exception=False)
    return gr.Error(f"internal_error: {INTERNAL}")


def build(studio: Studio) -> None:
    """Make the endpoints, inside a Blocks."""
    api = Api(studio)
    with gr.Group(visible=False):
        image, images = gr.File(label="Picture"), gr.File(label="Pictures", file_count="multiple")
        sides = [gr.File(label=f"Picture of the {side}") for side in SIDES]
        choice = [gr.Textbox(label=GENERATOR), gr.Number(label=FACES, value=None), gr.JSON(label=OPTIONS)]
        batch_id, formats = gr.Textbox(label=BATCH), gr.JSON(label="File formats in the zip")
        number, size = gr.Number(label=NUMBER, value=1), gr.Number(label=SIZE, value=None)
        measure = gr.Textbox(label="What the size is of: longest (side) or height", value="longest")
        form, export_options = gr.Textbox(label=FORMAT, value="stl"), gr.JSON(label=EXPORT)
        mesh, archive, moving = gr.File(label="GLB"), gr.File(label="Zip"), gr.File(label="Animated WebP")
        status, facts = gr.JSON(label="Status"), gr.JSON(label="Facts")
    endpoints: list[tuple[Callable[..., Any], list[Any], list[Any]]] = [
        (api.generate, [image, *choice], [mesh, facts]),
        (api.generate_from_sides, [*sides, *choice], [mesh, facts]),
        (api.submit_batch, [images, *choice], [status]),
        (api.picture_warnings, [batch_id], [status]),
        (api.batch_status, [batch_id], [status]),
        (api.watch_batch, [batch_id], [status]),
        (api.cancel_batch, [batch_id], [status]),
        (api.retry_batch, [batch_id], [status]),
        (api.delete_batch, [batch_id], [status]),
        (api.download_batch, [batch_id, formats, export_options], [archive]),
        (api.export, [batch_id, number, form, export_options], [mesh, facts]),
        (api.print_check, [batch_id, number, size, measure], [status]),
        (api.turntable, [batch_id, number], [moving]),
        (api.list_generators, [], [status]),
    ]
    for function, inputs, outputs in endpoints:
        wrapped = _told_stream(function) if function == api.watch_batch else _told(function)
        gr.Button(visible=False).click(
            wrapped, inputs, outputs, api_name=function.__name__, api_description=function.__doc__,
            concurrency_limit=500,
        )  # fmt: skip


def guard(studio: Studio, demo: gr.Blocks) -> None:
    """Let no component of the page fetch an address by Gradio's own means, which know no limit of size.

    And tell a program when a value is of another kind than an endpoint takes, which Gradio keeps to itself.
    """
    demo.preprocess_data = _readable(demo.preprocess_data)  # type: ignore[assignment, method-assign]
    for component in demo.blocks.values():
        if hasattr(component, "async_move_resource_to_block_cache"):
            component.async_move_resource_to_block_cache = _guarded(component, Api(studio))  # type: ignore[assignment, method-assign]


def _readable(ordinary: Callable[..., Awaitable[list[Any]]]) -> Callable[..., Awaitable[list[Any]]]:
    """How the values of a call are read: as ever, but that a program is told of those that cannot be."""

    async def read(endpoint: Any, *args: Any, **named: Any) -> list[Any]:
        try:
            return await ordinary(endpoint, *args, **named)
        except gr.Error:
            raise
        except (ValueError, TypeError, AttributeError, KeyError):
            if endpoint.api_visibility != "public":
                raise
            raise gr.Error(f"input_unreadable: {UNREADABLE}", print_exception=False) from None

    return read


def _guarded(component: Any, api: Api) -> Callable[[str | Path | None], Awaitable[str | None]]:
    """How this component takes a file in: an address by our own fetch, anything else as ever."""
    ordinary = component.async_move_resource_to_block_cache

    async def move(source: str | Path | None) -> str | None:
        if str(source).startswith(("http://", "https://")):
            return await api.fetch(source)
        return await ordinary(source)  # type: ignore[no-any-return]

    return move
