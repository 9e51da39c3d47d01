"""The public endpoints of Gradio's API: named, typed and documented. Nothing else is public.

Each is the click of a hidden button, because Gradio checks uploads for components and not for `gr.api`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from ..errors import ErrorCode, Image2ModelError, ImageRefused, OptionRefused
from ..services import (
    EXPORT_FORMATS,
    SIDES,
    TURNTABLE_FILE,
    Batch,
    BatchView,
    Caller,
    JobView,
    Picture,
    Services,
    Side,
    SubmitRequest,
    group_sides,
)
from .generator_schema import generator_schema
from .gradio_compat import override_url_fetch, report_unreadable_values
from .middleware.correlation import correlation_id_of
from .middleware.gradio_errors import UNREADABLE
from .public_address import client_address, public_root_url

GENERATOR_HELP = "Id of a generator (see /list_generators); empty: the default one"
FACE_LIMIT_HELP = "Target number of faces, if the generator has this option; empty: its default"
IDEMPOTENCY_HELP = (
    "A unique key of your choice for this request, such as a UUID: repeating it with the same contents within a day "
    "returns the same batch and buys nothing"
)
OPTIONS_HELP = (
    "The generator's options by name (see /list_generators); `cut_out`: true removes the background; `sides` "
    'groups pictures of one object into one job: "by_name" (cup_front.png, cup_back.png, cup_left.png), or each object '
    'with the numbers of its pictures from 1: [{"front": 1, "back": 2}]'
)
BATCH_HELP = "Id of a batch, from /submit_batch"
NUMBER_HELP = "Number of a job in its batch, from 1"
FORMAT_HELP = f"{', '.join(EXPORT_FORMATS[:-1])} or {EXPORT_FORMATS[-1]}"
EXPORT_HELP = "Options of the export, all optional: size, unit, measure, up, pivot, face_limit, packing, repair, colors"
SIZE_HELP = "Length of the longest side, in mm; empty: 100"
INTERNAL_MESSAGE = (
    "Something went wrong here, and it is not your fault. Try again; if it stays, tell the host when it was."
)
URL_KEYS = ("url", "thumbnail", "turntable", "picture", "whole_picture")
"""Keys of a job's view whose values are URLs relative to the page."""


class GradioApi:
    """The endpoints; a method's name and docstring are its name and description in `/gradio_api/info`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    async def generate(
        self,
        image: str,
        generator: str | None = None,
        face_limit: float | None = None,
        options: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  Gradio finds it by this default
    ) -> tuple[str, dict[str, Any]]:
        """Turn one picture into a GLB; returns the file and its facts. Creates a batch of one picture.

        For several sides of one object see /generate_from_sides.
        """
        return await self._generate(
            {"front": image}, generator, face_limit, options, idempotency_key, request, progress
        )

    async def generate_from_sides(
        self,
        front: str,
        back: str | None = None,
        left: str | None = None,
        right: str | None = None,
        generator: str | None = None,
        face_limit: float | None = None,
        options: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  Gradio finds it by this default
    ) -> tuple[str, dict[str, Any]]:
        """Turn pictures of an object's sides into one GLB, with a generator that accepts them (see /list_generators).

        They are one job at one price. Left and right are the object's own. Returns the same as /generate.
        """
        by_side: dict[Side, str | None] = {"front": front, "back": back, "left": left, "right": right}
        return await self._generate(by_side, generator, face_limit, options, idempotency_key, request, progress)

    async def _generate(
        self,
        by_side: Mapping[Side, str | None],
        generator: str | None,
        face_limit: float | None,
        options: dict[str, Any] | None,
        idempotency_key: str | None,
        request: gr.Request | None,
        progress: gr.Progress,
    ) -> tuple[str, dict[str, Any]]:
        images = {side: image for side, image in by_side.items() if image}
        sides = [{side: number for number, side in enumerate(images, 1)}] if images.keys() - {"front"} else None
        all_options = {**_parse_options(options), **({"sides": sides} if sides else {})}
        pictures = list(images.values())
        batch = await self._submit(pictures, generator, face_limit, all_options, idempotency_key, request)
        job = await self._watch_only_job(batch.id, progress)
        if job.error:
            raise gr.Error(f"{job.error.code}: {job.error.message}", print_exception=False)
        if not job.succeeded:
            raise gr.Error("cancelled: This job was cancelled.", print_exception=False)
        mesh = await self.services.publish_to_gradio_cache(batch.id, 1, job.filename)
        return str(mesh), {"batch_id": batch.id, "name": job.filename, **(job.facts or {}), "cost": job.cost}

    async def _watch_only_job(self, batch_id: str, progress: gr.Progress) -> JobView:
        """Report the progress of a one-job batch until it is finished; return the job."""
        async for view in self.services.watch(batch_id):
            progress(view.jobs[0].progress, desc=view.jobs[0].message)
        return view.jobs[0]

    async def submit_batch(
        self,
        images: list[str],
        generator: str | None = None,
        face_limit: float | None = None,
        options: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Start a batch and return at once: its id, its jobs, the rejected pictures, and the cost."""
        batch = await self._submit(images, generator, face_limit, options, idempotency_key, request)
        view = (await self.services.view(batch.id)).to_dict()
        return {
            "batch_id": batch.id,
            "jobs": [{key: job[key] for key in ("id", "number", "name", "filename", "state")} for job in view["jobs"]],
            "rejected": view["rejected"],
            "cost": view["cost"],
        }

    async def picture_warnings(self, batch_id: str) -> list[dict[str, Any]]:
        """Warnings about a batch's pictures, such as blur or several subjects; each picture takes up to a second."""
        return await self.services.picture_checks.warnings(await self.services.batch(batch_id))

    async def batch_status(self, batch_id: str, request: gr.Request) -> dict[str, Any]:
        """The state of a batch and of each of its jobs, with progress, facts, errors and URLs."""
        return _absolute_urls(await self.services.view(batch_id), request)

    async def watch_batch(self, batch_id: str, request: gr.Request) -> AsyncIterator[dict[str, Any]]:
        """Stream the result of /batch_status at each change, until the batch is finished."""
        async for view in self.services.watch(batch_id):
            yield _absolute_urls(view, request)

    async def cancel_batch(self, batch_id: str, request: gr.Request) -> dict[str, Any]:
        """Cancel the unfinished jobs of a batch; returns its status."""
        return _absolute_urls(await self.services.cancel(batch_id), request)

    async def retry_batch(self, batch_id: str, request: gr.Request) -> dict[str, Any]:
        """Retry the failed and cancelled jobs of a batch; returns its status."""
        return _absolute_urls(await self.services.retry(batch_id, caller=_caller(request)), request)

    async def delete_batch(self, batch_id: str) -> dict[str, Any]:
        """Cancel a batch and delete it with all its files."""
        await self.services.delete(batch_id)
        return {"batch_id": batch_id, "deleted": True}

    async def export(
        self,
        batch_id: str,
        number: float,
        format: str = "stl",
        export_options: dict[str, Any] | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """Export one finished mesh in another format, size or face count; returns the file and its facts.

        Options: size with unit (mm, cm, m, in), measure (side that has this size: longest, height), up (y, z),
        pivot (keep, centre, bottom), face_limit, packing (none, meshopt, draco; GLB only),
        repair (none, solid, rebuild), colors (1 to 8 solid ones, for printers; 3MF only).
        """
        (choice,) = self.services.exports.parse_options([format or "stl"], _parse_options(export_options))
        exported = await self.services.exports.export(batch_id, _parse_number(number), choice)
        return str(await self.services.exports.publish_to_gradio_cache(batch_id, exported)), {
            "name": exported.filename,
            **exported.facts,
        }

    async def print_check(
        self, batch_id: str, number: float, size: float | None = None, measure: str = "longest"
    ) -> dict[str, Any]:
        """Check a finished mesh for 3D printing at a size in mm (of its longest side, or its height).

        Returns the problems, and the result of the same check after a repair.
        """
        return await self.services.exports.print_check(batch_id, _parse_number(number), size or None, measure=measure)

    async def download_batch(
        self, batch_id: str, formats: list[str] | None = None, export_options: dict[str, Any] | None = None
    ) -> str:
        """Download the finished meshes of a batch as one zip, with thumbnails and manifest.json.

        With formats, or the options of /export, the zip contains these exports instead.
        For large batches use the URL `zip` of /batch_status, which is streamed.
        """
        if formats or export_options:
            named = formats if isinstance(formats, (str, list)) else [formats or "glb"]
            choices = self.services.exports.parse_options(named, _parse_options(export_options))
            return str(await self.services.exports.publish_archive_to_gradio_cache(batch_id, choices))
        if not (await self.services.view(batch_id)).zip:
            raise gr.Error("nothing_done: No mesh of this batch is finished yet. Try later.", print_exception=False)
        return str(await self.services.publish_archive_to_gradio_cache(batch_id))

    async def turntable(self, batch_id: str, number: float = 1) -> str:
        """Render one finished mesh of a batch (the first: 1) as a turntable, an animated WebP; takes some seconds."""
        return str(await self.services.publish_to_gradio_cache(batch_id, _parse_number(number), TURNTABLE_FILE))

    async def list_generators(self) -> list[dict[str, Any]]:
        """List the generators, with strengths, options, ranges, price, usual time and availability."""
        return [generator_schema(generator) for generator in self.services.generators.values()]

    async def _submit(
        self,
        images: list[str],
        generator: str | None,
        face_limit: float | None,
        options: dict[str, Any] | None,
        idempotency_key: str | None,
        request: gr.Request | None,
    ) -> Batch:
        parsed = _parse_options(options)
        cut_out, sides = parsed.pop("cut_out", False) is True, parsed.pop("sides", None)
        pictures = group_sides([Picture(Path(image), Path(image).name) for image in images or []], sides)
        submission = SubmitRequest(
            pictures, generator or None, parsed, face_limit, cut_out, idempotency_key=idempotency_key or ""
        )
        return await self.services.submit(submission, _caller(request))


ENDPOINT_NAMES = tuple(name for name in vars(GradioApi) if not name.startswith("_"))


def _caller(request: gr.Request | None) -> Caller:
    return Caller(client=client_address(request), correlation_id=correlation_id_of(request))


def _absolute_urls(shown: BatchView, request: gr.Request | None) -> dict[str, Any]:
    """The view as JSON, with absolute URLs instead of URLs relative to the page."""
    view, root = shown.to_dict(), public_root_url(request)
    jobs = [
        {
            **job,
            **{key: f"{root}/{job[key]}" for key in URL_KEYS if job[key]},
            "sides": [{**side, "picture": f"{root}/{side['picture']}"} for side in job["sides"]],
        }
        for job in view["jobs"]
    ]
    return {**view, "zip": f"{root}/{view['zip']}" if view["zip"] else None, "jobs": jobs}


def _parse_options(options: Any) -> dict[str, Any]:
    """Options from JSON; raises OptionRefused for anything but an object."""
    if isinstance(options, dict):
        return dict(options)
    if not options:
        return {}
    raise OptionRefused(
        ErrorCode.OPTIONS_UNREADABLE, "The options are not a JSON object.", 'Write them like {"detail": "low"}.'
    )


def _parse_number(number: Any) -> int:
    """The number of a job; raises OptionRefused for anything but a whole number."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if int(number) == float(number) and not isinstance(number, bool):
            return int(number)
    raise OptionRefused(
        ErrorCode.NUMBER_UNREADABLE, f"{str(number)[:60]!r} is no number of a job.", "They count from 1."
    )


def _report_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint with its errors raised as gr.Error, `code: sentence`."""

    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:
            raise _to_gradio_error(error) from error

    return call


def _report_stream_errors(function: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    @wraps(function)
    async def stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        try:
            async for value in function(*args, **kwargs):
                yield value
        except gr.Error:
            raise
        except Exception as error:
            raise _to_gradio_error(error) from error

    return stream


def _to_gradio_error(error: Exception) -> gr.Error:
    """The gr.Error for an error; an unexpected one is logged, too."""
    if isinstance(error, Image2ModelError):
        return gr.Error(f"{error.code}: {error}", print_exception=False)
    if isinstance(error, UnicodeEncodeError):  # a lone surrogate, which JSON can encode and UTF-8 cannot
        return gr.Error(f"{ErrorCode.INPUT_UNREADABLE}: {UNREADABLE}", print_exception=False)
    return gr.Error(f"{ErrorCode.INTERNAL_ERROR}: {INTERNAL_MESSAGE}")


def add_endpoints(services: Services) -> None:
    """Add the endpoints to the current Blocks."""
    api = GradioApi(services)
    with gr.Group(visible=False):
        image, images = gr.File(label="Picture"), gr.File(label="Pictures", file_count="multiple")
        sides = [gr.File(label=f"Picture of the {side}") for side in SIDES]
        generator, face_limit = gr.Textbox(label=GENERATOR_HELP), gr.Number(label=FACE_LIMIT_HELP, value=None)
        choice = [generator, face_limit, gr.JSON(label=OPTIONS_HELP), gr.Textbox(label=IDEMPOTENCY_HELP)]
        batch_id, formats = gr.Textbox(label=BATCH_HELP), gr.JSON(label="File formats in the zip")
        number, size = gr.Number(label=NUMBER_HELP, value=1), gr.Number(label=SIZE_HELP, value=None)
        measure = gr.Textbox(label="Side that has this size: longest or height", value="longest")
        format_name, export_options = gr.Textbox(label=FORMAT_HELP, value="stl"), gr.JSON(label=EXPORT_HELP)
        mesh, archive, turntable = gr.File(label="GLB"), gr.File(label="Zip"), gr.File(label="Animated WebP")
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
        (api.export, [batch_id, number, format_name, export_options], [mesh, facts]),
        (api.print_check, [batch_id, number, size, measure], [status]),
        (api.turntable, [batch_id, number], [turntable]),
        (api.list_generators, [], [status]),
    ]
    for function, inputs, outputs in endpoints:
        wrapped = _report_stream_errors(function) if function == api.watch_batch else _report_errors(function)
        gr.Button(visible=False).click(
            wrapped, inputs, outputs, api_name=function.__name__, api_description=function.__doc__,
            concurrency_limit=500,
        )  # fmt: skip


def guard_inputs(services: Services, demo: gr.Blocks) -> None:
    """Bound how components of the page fetch URLs, and report values that cannot be read."""

    async def fetch_picture(url: str) -> str:
        try:
            return str(await services.uploads.fetch(url))
        except ImageRefused as refusal:
            raise gr.Error(f"{refusal.code}: {refusal}", print_exception=False) from None

    override_url_fetch(demo, fetch_picture)
    report_unreadable_values(demo)
