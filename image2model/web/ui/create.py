"""The Create page: pictures, generator and price on the rail; the stage; the results."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import escape

from ...errors import Image2ModelError, NotFound
from ...file_names import clean_name
from ...services import BatchView, Caller, Generator, Services, SubmitRequest
from ..middleware.correlation import correlation_id_of
from ..public_address import client_address
from . import assets, controls, facts, hero, order, results, templating
from .controls import chosen_options, picker_value, prices_of
from .event_options import EVERY_EVENT, HIDDEN, LATEST_EVENT
from .icons import icon
from .object_grouping import group_pictures
from .picture_cache import PictureCache
from .pictures import Pictures, paths_of, rejected_texts
from .theme import html

RELIEF_CARD = {"local.shape": "relief card"}
"""The option of the embedded engine that makes a card in relief of what has no clear subject."""
GET_KEY = '<a href="https://fal.ai/dashboard/keys" target="_blank" rel="noopener">Get a key</a>'
KEY_HELP = f"fal.ai bills your key. It is kept in memory until you close the page and its jobs are done. {GET_KEY}"
KEY_STATUS = {
    "": ("ok", "Key works"),
    None: ("warn", "fal.ai does not answer now. The key is kept, and tried when you make models."),
}
"""Level and text of the line below a key that is not refused."""


class Create:
    """The page's components and their event handlers."""

    def __init__(self, services: Services, visitor: gr.BrowserState, cache: PictureCache) -> None:
        self.services, self.visitor, self.cache = services, visitor, cache
        self.made = gr.State()
        with gr.Row(elem_id="create", equal_height=False):
            with gr.Column(elem_id="rail"):
                self._build_rail()
            with gr.Column(elem_id="stage"):
                self._build_stage()
            self.board = html(
                results.WAITING, elem_id="board",
                js_on_load=assets.script("board", "select", "input", "edit", "tick", "stop", "look"),
            )  # fmt: skip
        self._build_generators()

    def _build_rail(self) -> None:
        with gr.Column(elem_id="pictures-in"):
            self.pictures = Pictures(self.services, self.cache)
        with gr.Column(elem_id="settings"):
            self.card = html(elem_id="generator-card")
            with gr.Accordion("Options", open=False, elem_id="options"):
                self.options = controls.options_panel(self.services)
        with gr.Column(elem_id="pay"):
            self.cost = html(elem_id="cost", js_on_load=assets.script("order", "tick"))
            self.generate = gr.Button("Choose pictures", variant="primary", size="lg", elem_id="generate")
        self.version = gr.Textbox("", visible="hidden", elem_id="price-version")
        self.request_key = gr.Textbox("", visible="hidden", elem_id="request-key")
        self.batch = gr.Textbox(visible="hidden", elem_id="batch-id")
        self.recalled = gr.Textbox(visible="hidden", elem_id="recalled")

    def _build_stage(self) -> None:
        html(templating.render("stage_bar.html"), elem_id="stage-bar", js_on_load=assets.script("stage_bar"))
        viewer = templating.render("viewer.html", hero=hero.example(), most=self.services.settings.max_files)
        html(viewer, elem_id="viewer", js_on_load=assets.script("viewer"))
        html(templating.render("chosen.html"), elem_id="chosen", js_on_load=assets.script("chosen"))
        self.facts = html(elem_id="facts", js_on_load=assets.script("facts"))
        export = templating.render("export.html", formats=self.services.exports.formats())
        html(export, elem_id="take-home", js_on_load=assets.script("export"))

    def _build_generators(self) -> None:
        with gr.Column(elem_id="generators"):
            html(templating.render("generators_head.html", filters=controls.FILTERS), elem_id="generators-head")
            with gr.Column(elem_id="generator-rows"):
                self.generator = controls.picker(self.services)
                with gr.Column(elem_id="own-key"):
                    self.key_title = html("<b>Your own fal.ai key</b>", elem_id="own-key-title")
                    self.key = gr.Textbox(
                        "", type="password", show_label=False, container=False, max_lines=1, elem_id="own-key-field",
                        placeholder="Paste your key", label="fal.ai key",
                    )  # fmt: skip
                    self.key_words = html(f'<p class="key-words">{KEY_HELP}</p>', elem_id="own-key-words")

    @property
    def _kept(self) -> list[Any]:
        """Components whose values survive a reload of the page before pictures are sent: all but the key."""
        return [self.pictures.images, self.pictures.cut_out, self.generator, self.options]

    def _draft(self, step: str) -> dict[str, Any]:
        """A step of `draft.js`, which runs in the browser only."""
        names = json.dumps([component.elem_id for component in self._kept])
        return {"fn": None, "inputs": self._kept, "js": f"(...values) => draft.{step}({names}, ...values)"}

    def connect(self, demo: gr.Blocks) -> None:
        """Add the listeners."""
        self._connect_order()
        self._connect_key()
        self._connect_submit()
        self._connect_results()
        self._connect_load(demo)

    @property
    def _pricing(self) -> dict[str, Any]:
        """The step that shows the price of the current choice; the last request is answered last."""
        inputs = [
            self.version, self.batch, self.made, self.pictures.images, self.pictures.refused, self.pictures.decided,
            self.pictures.cut_out, self.key, self.generator, self.options,
        ]  # fmt: skip
        return {
            "fn": self.update_price, "inputs": inputs, "outputs": [self.cost, self.card, self.made],
            "js": "async (version, ...rest) => [(await image2model).order.version, ...rest]",
            "concurrency_id": "price", "concurrency_limit": 1, **LATEST_EVENT,
        }  # fmt: skip

    @property
    def _showing(self) -> dict[str, Any]:
        return self.pictures.showing(self.generator, self.batch)

    def _connect_order(self) -> None:
        """Update the draft and the price at each choice, and the tiles at those about pictures."""
        keep, price, show = self._draft("save"), self._pricing, self._showing
        for event in self.pictures.connect(self.generator):
            event.then(**keep).then(**price)
            event.then(**show)
        self.pictures.cut_out.change(**keep).then(**price).then(**show)
        self.generator.change(**keep).then(**price).then(**show)
        self.options.change(**keep)
        self.options.change(**price)
        self.cost.tick(**price)

    def _connect_key(self) -> None:
        keyed = self.key.change(self.use_key, self.key, [self.generator, self.key_words], **LATEST_EVENT)
        keyed.then(**self._pricing)
        keyed.then(self.resume_with_key, [self.batch, self.key], None, **HIDDEN)

    def _connect_submit(self) -> None:
        """Submit one batch per click: the button is disabled before the request, which has an idempotency key."""
        inputs = [
            self.visitor, self.request_key, self.pictures.images, self.pictures.decided, self.key,
            self.pictures.cut_out, self.generator, self.options,
        ]  # fmt: skip
        submitted = self.generate.click(
            self.submit, inputs, [self.batch, self.made], concurrency_limit=20, **HIDDEN,
            js="async (visitor, key, ...rest) => [visitor, (await image2model).order.requestKey(), ...rest]",
        )  # fmt: skip
        submitted.failure(None, None, None, js=assets.call("order.failed"))
        submitted.then(None, None, None, js=assets.call("order.answered"))
        begun = submitted.success(**self._draft("markSent")).then(
            None, self.batch, None, js=assets.call("address.show")
        )
        begun.then(**self._pricing).then(**self._showing)
        submitted.success(**self._watching_step).then(**self._pricing)

    @property
    def _watching_step(self) -> dict[str, Any]:
        """The step that shows the board until its stream ends (`board_stream.js`), in the browser only."""
        return {"fn": None, "inputs": [self.batch, self.visitor], "js": assets.call("boards.watch")}

    def _connect_results(self) -> None:
        watch, price = self._watching_step, self._pricing
        self.board.select(self.open_result, [self.batch, self.visitor], self.facts, **EVERY_EVENT)
        self.board.input(self.retry_jobs, [self.batch, self.key], None, **HIDDEN).success(**watch).then(**price)
        self.board.look(self.recheck_unconfirmed, [self.batch, self.key], None, **HIDDEN).success(**watch).then(**price)
        self.board.stop(self.cancel, self.batch, None, **HIDDEN)
        self.board.tick(**watch)
        reused = self.board.edit(
            self.reuse_pictures, [self.batch, self.pictures.images, self.options],
            [self.pictures.images, self.generator, self.options], **HIDDEN,
        )  # fmt: skip
        reused.then(**self._draft("save")).then(**price).then(**self._showing)

    def _connect_load(self, demo: gr.Blocks) -> None:
        """Restore the page: the batch of its address, or the pictures that were not yet sent."""
        recalled = demo.load(**{**self._draft("restore"), "outputs": [*self._kept, self.recalled]})
        opened = recalled.then(
            self.open, [self.visitor, self.pictures.images, self.generator, self.key],
            [self.visitor, self.batch, self.pictures.images, self.generator, self.made, self.recalled], **HIDDEN,
        )  # fmt: skip
        opened.then(**self._watching_step)
        opened.then(**{**self._draft("markRestored"), "inputs": [*self._kept, self.recalled]})
        opened.then(**self._pricing).then(**self._showing)

    async def open(
        self, visitor: str, images: list[Any] | None, chosen: str, key: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Recognise this browser, offer the available generators, and open the batch in the address.

        An empty gallery gets the pictures of that batch if it is this browser's own.
        """
        visitor = visitor or secrets.token_urlsafe(24)
        batch_id = request.query_params.get("batch", "")
        view = None if images else await self._view(batch_id)
        if view is None or not view.is_of(visitor):
            return visitor, batch_id, gr.skip(), self._offered(chosen, key), gr.skip(), gr.skip()
        published = [await self.services.publish_pictures_to_gradio_cache(batch_id, job.number) for job in view.jobs]
        pictures = [str(path) for paths in published for path in paths]
        generator = view.generator if view.generator in self.services.generators else chosen
        made = {"batch": batch_id, "order": None}
        return visitor, batch_id, pictures, self._offered(generator, key), made, "batch"

    def _offered(self, chosen: str, key: str) -> gr.HTML:
        """The available generators, with prices; another is chosen if this one is unavailable."""
        offered = picker_value(self.services, key)
        on = [item["id"] for item in offered["items"] if not item["off"]]
        return html(value=chosen if chosen in on or not on else on[0], **offered)

    async def update_price(
        self,
        version: str,
        batch_id: str,
        made: Mapping[str, Any] | None,
        images: list[Any] | None,
        refused: list[Any] | None,
        decided: Mapping[str, Any],
        cut_out: bool,
        key: str,
        generator: str,
        changed: Any,
    ) -> tuple[Any, ...]:
        """The price summary, the main button's label and the generator's card."""
        chosen = self._generator(generator, key)
        options, face_limit = chosen_options(changed, generator)
        price, object_price, error = prices_of(chosen.spec, options, face_limit)
        new_order = order.Order(group_pictures(paths_of(images), decided, chosen.spec), price, object_price, error)
        signature = order.signature(paths_of(images), decided, cut_out, generator, face_limit, options)
        view = await self._view(batch_id)
        submitted = bool(images and view) and order.is_submitted(made, signature, batch_id)
        mode = "made" if submitted else "make" if new_order.pictures else "choose"
        working = bool(view and not view.finished)
        notice = error or ("" if key.strip() else self.services.notice(generator))
        cost = order.cost_html(
            new_order, order.label(new_order, mode, working, again=view is not None), mode=mode, version=version,
            notice=notice, summary=controls.summary(chosen.spec, options, face_limit), left_out=rejected_texts(refused),
            made=view if submitted and view and view.finished else None,
            done=_done_text(view) if submitted and view else "",
        )  # fmt: skip
        card = controls.card(self.services, chosen, price)
        return cost, card, {**made, "order": signature} if made and submitted else made

    def _generator(self, name: str, key: str) -> Generator:
        """The generator on this key, or on the host's while the key is malformed."""
        try:
            return self.services.for_key(name, key)
        except Image2ModelError:
            return self.services.generator(name)

    async def use_key(self, key: str) -> AsyncIterator[tuple[Any, str]]:
        """Check the key at fal, and show the generators that it makes available."""
        if not key.strip():
            yield html(**picker_value(self.services)), _key_status_html("", KEY_HELP)
            return
        yield gr.skip(), _key_status_html("wait", "Checking the key…")
        try:
            problem = await self.services.check_key(key)
        except Image2ModelError as error:
            problem = str(error)
        status = _key_status_html(*("bad", problem) if problem else KEY_STATUS[problem])
        yield html(**picker_value(self.services, "" if problem else key)), status

    async def resume_with_key(self, batch_id: str, key: str) -> None:
        """Resume jobs of the open batch that wait for this key."""
        if batch_id and key.strip() and await self.services.waits_for_key(batch_id):
            await _with_friendly_errors(self.services.resume_with_key(batch_id, key))

    async def reuse_pictures(
        self, batch_id: str, images: list[tuple[str, Any]] | None, changed: Any, event: gr.EventData
    ) -> list[Any]:
        """Put the pictures of a failed job into the gallery again, to be tried in another way.

        Those of its batch's other jobs are removed: they would be made and paid for again.
        """
        number, relief = getattr(event, "number", None), bool(getattr(event, "relief", False))
        more = [html(value="local"), {**(changed or {}), **RELIEF_CARD}] if relief else [gr.skip(), gr.skip()]
        if not number:
            return [gr.skip(), *more]
        pictures = await _with_friendly_errors(self.services.publish_pictures_to_gradio_cache(batch_id, int(number)))
        view = await _with_friendly_errors(self.services.view(batch_id))
        sent = {name for job in view.jobs for name in (job.name, *(side.name for side in job.sides))}
        others = [path for path in paths_of(images) if clean_name(Path(path).name) not in sent]
        return [[*others, *map(str, pictures)], *more]

    async def submit(
        self,
        visitor: str,
        request_key: str,
        images: list[tuple[str, Any]] | None,
        decided: Mapping[str, Any],
        key: str,
        cut_out: bool,
        request: gr.Request,
        generator: str,
        changed: Any,
    ) -> tuple[str, dict[str, Any]]:
        """Submit a batch of the pictures."""
        options, face_limit = chosen_options(changed, generator)
        spec = self._generator(generator, key).spec
        submission = SubmitRequest(
            group_pictures(paths_of(images), decided, spec),
            generator=generator,
            options=options,
            face_limit=face_limit,  # checked, and made a number, by the generator's option
            cut_out=cut_out,
            idempotency_key=request_key,
        )
        batch = await _with_friendly_errors(self.services.submit(submission, _caller(request, key, visitor)))
        signature = order.signature(paths_of(images), decided, cut_out, generator, face_limit, options)
        return batch.id, {"batch": batch.id, "order": signature}

    async def retry_jobs(self, batch_id: str, key: str, request: gr.Request, event: gr.EventData) -> None:
        """Retry the named jobs, also ones that may have been paid for: the dialog has asked."""
        numbers = [int(number) for number in getattr(event, "numbers", [])]
        await _with_friendly_errors(self.services.retry(batch_id, numbers or None, _caller(request, key)))

    async def recheck_unconfirmed(self, batch_id: str, key: str, request: gr.Request, event: gr.EventData) -> None:
        """Look unconfirmed jobs up at the provider, without buying anything."""
        numbers = [int(number) for number in getattr(event, "numbers", [])]
        if not await _with_friendly_errors(self.services.recheck_unconfirmed(batch_id, numbers, _caller(request, key))):
            gr.Info("Nothing was found there yet. It may be listed later.")

    async def cancel(self, batch_id: str) -> None:
        """Cancel the unfinished jobs."""
        await _with_friendly_errors(self.services.cancel(batch_id))

    async def open_result(self, batch_id: str, visitor: str, event: gr.EventData) -> Any:
        """The facts of one finished job."""
        view = await _with_friendly_errors(self.services.view(batch_id))
        job = view.job(int(getattr(event, "number", 0)))
        if job is None or not job.succeeded:
            return gr.skip()
        return facts.facts(view, job, shared=not view.is_of(visitor))

    async def _view(self, batch_id: str) -> BatchView | None:
        try:
            return await self.services.view(batch_id) if batch_id else None
        except NotFound:
            return None


def _caller(request: gr.Request, key: str, visitor: str = "") -> Caller:
    return Caller(visitor, client_address(request), key, correlation_id_of(request))


async def _with_friendly_errors(call: Any) -> Any:
    """Await the call; show its error to the visitor."""
    try:
        return await call
    except Image2ModelError as error:
        raise gr.Error(str(error), print_exception=False) from None


def _done_text(view: BatchView) -> str:
    """The line above the button if the batch on the page was made from the current pictures."""
    if not view.finished:
        return results.spent(view) or "Being made here."
    if not view.counts.done:
        return "Nothing was made. Change anything to try again."
    return f"{'Stopped' if view.counts.cancelled else 'Made'}. Change anything to make more."


def _key_status_html(level: str, text: str) -> str:
    """The line below the key, with an icon for `level`."""
    icons = {"wait": '<span class="spin"></span>', "ok": icon("tick"), "warn": icon("warn"), "bad": icon("bad"), "": ""}
    shown = text if not level else f'<span class="st {level}">{icons[level]}{escape(text)}</span>'
    if level != "bad":
        return f'<p class="key-words" role="status">{shown}</p>'
    return f'<p class="key-words key-bad" role="status">{shown} {GET_KEY}</p>'


def build(services: Services, demo: gr.Blocks, visitor: gr.BrowserState, cache: PictureCache) -> None:
    """Build the page."""
    Create(services, visitor, cache).connect(demo)
