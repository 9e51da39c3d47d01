"""The Create tab: pictures, generator, options and price on one side; board, viewer and facts on the other."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import gradio as gr

from ...errors import Image2ModelError, ImageRefused
from ...file_names import clean_name
from ...services import BatchView, Caller, Generator, Studio, SubmitRequest
from ..middleware.correlation import correlation_id_of
from ..public_address import client_address
from . import templating
from .controls import OptionControls, face_limit_control, number_field, offers, picker, prices_of
from .event_options import EACH, HIDDEN, LAST
from .picture_previews import CUT_OUT, Inputs
from .theme import html
from .viewer import Viewer
from .views_of_object import NOTHING, Sides

T = TypeVar("T")
PACKAGE = Path(__file__).parents[2]
EXAMPLES = next(filter(Path.is_dir, (PACKAGE / "examples", PACKAGE.parent / "examples")))
"""The example pictures: within an installed package, or beside the package in a checkout."""
READY = templating.empty("Your models appear here", "Add pictures, press the button, and watch each one become a mesh.")
GONE = templating.empty(
    "This batch is not here", "It may have been deleted, or the link is cut short. Start a new one."
)
STATIC = Path(__file__).parent / "static"

OWN_KEY = """<p class="small-note">Pays for what you start from now on, in place of the host's key. It is kept in memory
until you close the page and its jobs are done, and is sent to fal alone.</p>"""
SET_ADDRESS = """(batch) => {
  const url = new URL(location.href);
  batch ? url.searchParams.set("batch", batch) : url.searchParams.delete("batch");
  history.replaceState(null, "", url);
  if (batch && innerWidth < 900) document.getElementById("results")?.scrollIntoView({behavior: "smooth"});
}"""
PAUSE = """() => {  // a second press of a slow double click would buy the same again
  const button = document.getElementById("generate");
  button.disabled = true;
  setTimeout(() => { button.disabled = !button.textContent.includes("Make"); }, 2000);
}"""
COPY_LINK = """async (batch) => {
  const url = new URL(location.href);
  url.search = "?batch=" + batch;
  const button = document.getElementById("share");
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(url.href);
    button.textContent = "Link copied";
    setTimeout(() => { button.textContent = before; }, 2000);
  } catch { prompt("Copy this link:", url.href); }
}"""


class _Watcher:
    """Stands for one run of `Create.watch`: of one page the newest alone goes on, so that one board is shown."""


class Create:
    """The tab's components and what happens when they are used."""

    def __init__(self, studio: Studio, visitor: gr.BrowserState) -> None:
        self.studio = studio
        self.visitor = visitor
        self._watching: WeakValueDictionary[str, _Watcher] = WeakValueDictionary()
        with gr.Row(elem_id="create", equal_height=False):
            with gr.Column(scale=4, min_width=320, elem_id="inputs"):
                self._build_inputs()
            with gr.Column(scale=7, min_width=320, elem_id="results"):
                self._build_results()

    def _build_inputs(self) -> None:
        most, size = self.studio.settings.max_files, self.studio.settings.max_file_mb
        html(
            f'<p class="small-title">Pictures <span>up to {most}, {size} MB each</span></p>',
            js_on_load=(STATIC / "drop.js").read_text(),
        )
        self.images = gr.Gallery(
            label="Pictures", show_label=False, type="filepath", file_types=["file"], sources=["upload", "clipboard"],
            columns=4, height=250, object_fit="contain", interactive=True, elem_id="images", buttons=[],
        )  # fmt: skip
        self.refused = html(elem_id="refused", js_on_load=REFUSED_JS)
        self.sides = Sides(self.studio)
        self.inputs = Inputs(self.studio)
        gr.set_static_paths([EXAMPLES])  # where they are; copies in Gradio's cache would be swept away in time
        with gr.Column(elem_id="examples", visible=bool(examples())):
            html('<p class="small-title">No picture at hand? Take one of these.</p>', js_on_load=EXAMPLE_PRESSED)
            self.examples = gr.Gallery(
                examples(), show_label=False, columns=6, rows=1, height=76, allow_preview=False, interactive=False,
                object_fit="cover", container=False, buttons=[], elem_id="example-images",
            )  # fmt: skip
        html('<p class="small-title">Generator</p>')
        self.generator = picker(self.studio)
        spec = self.studio.generator(self.generator.value).spec
        with gr.Accordion("Your own fal key", open=False, elem_id="own-key"):
            self.key = gr.Textbox(
                "", type="password", show_label=False, container=False, max_lines=1, elem_id="own-key-field",
                placeholder="Paste a key from fal.ai/dashboard/keys",
            )  # fmt: skip
            html(OWN_KEY)
        with gr.Accordion("Options", open=False, elem_id="options"):
            self.face_limit = number_field(elem_id="face-limit", **face_limit_control(spec))
            self.options = OptionControls(self.studio, spec.id)
        self.cost = html(templating.cost(0, spec.price(spec.check(None, None))), elem_id="cost")
        self.generate = gr.Button(
            "Add pictures first", variant="primary", size="lg", interactive=False, elem_id="generate"
        )

    def _build_results(self) -> None:
        self.batch = gr.Textbox(visible="hidden", elem_id="batch-id")
        self.recalled = gr.Textbox(visible="hidden", elem_id="recalled")
        self.board = html(READY, elem_id="board", js_on_load=(STATIC / "board.js").read_text())
        with gr.Row(elem_id="actions", visible=False) as self.actions:
            self.download = gr.Button(
                "Download all", variant="primary", size="md", elem_id="download-all", min_width=130
            )
            self.retry = gr.Button("Try the failed again", size="md", elem_id="retry", min_width=130)
            self.cancel = gr.Button("Cancel", size="md", elem_id="cancel", min_width=100)
            self.share = gr.Button("Copy link", size="md", elem_id="share", min_width=100)
            self.anew = gr.Button("Start anew", size="md", elem_id="anew", min_width=100)
        with gr.Row(elem_id="result", visible=False, equal_height=True) as self.result:
            with gr.Column(scale=3, min_width=300):
                self.viewer = Viewer(self.studio)
                self.take_home = html(elem_id="take-home", js_on_load=(STATIC / "take_home.js").read_text())
            with gr.Column(scale=2, min_width=240):
                self.facts = html(elem_id="facts")

    @property
    def _control_inputs(self) -> list[Any]:
        return [self.generator, self.face_limit, *self.options.components]

    @property
    def _kept(self) -> list[Any]:
        """What a reload of the page does not take away where pictures are not yet sent: all but the key."""
        return [self.images, self.inputs.sent, *self._control_inputs]

    def _draft(self, step: str) -> dict[str, Any]:
        """A step of `draft.js`, which never asks the server."""
        names = json.dumps([component.elem_id for component in self._kept])
        return {"fn": None, "inputs": self._kept, "js": f"(...values) => draft.{step}({names}, ...values)"}

    @property
    def _board_outputs(self) -> list[Any]:
        return [self.board, self.actions, self.download, self.retry, self.cancel]

    def connect(self, demo: gr.Blocks) -> None:
        """Say what happens when."""
        priced = [self.images, self.sides.decided, self.key, *self._control_inputs]
        price: dict[str, Any] = {
            "fn": self.tell_price, "inputs": priced, "outputs": [self.cost, self.generate],
            "concurrency_id": "price", "concurrency_limit": 1,  # the last one asked for is the last one told
            **LAST,
        }  # fmt: skip
        keep, send, recall = (self._draft(step) for step in ("keep", "send", "recall"))
        cutouts, sides = self.inputs.looking(self.images), self.sides.showing(self.images, self.generator)
        uploaded = self.images.upload(self.look, self.images, [self.images, self.refused], **EACH)
        example = self.examples.select(None, [self.images, self.examples], self.images, js=self._add_example)
        for filled in (uploaded, example):  # a gallery's first filling is not told as a change
            filled.then(**keep).then(**price).then(**sides).then(**cutouts)
        for step in (keep, price, sides, cutouts):
            gr.on([self.images.change, self.images.delete], **step)
        for component in self._kept[1:]:
            component.change(**keep)
        self.sides.shown.input(**self.sides.deciding(self.images, self.generator)).then(**price)
        chosen = self.generator.change(self.choose, self.generator, [self.face_limit, *self.options.groups], **HIDDEN)
        chosen.then(**sides).then(**price)
        for component in (self.face_limit, *self.options.components):
            component.change(**price)
        keyed = self.key.change(self.use_key, self.key, self.generator, **HIDDEN).then(**price)

        watch: dict[str, Any] = {
            "fn": self.watch,
            "inputs": self.batch,
            "outputs": self._board_outputs,
            "concurrency_limit": 500,
            **EACH,  # the newest goes on, see `watch`
        }
        submitted = self.generate.click(
            self.submit,
            [self.visitor, self.images, self.sides.decided, self.key, self.inputs.sent, *self._control_inputs],
            [self.batch, self.result],
            concurrency_limit=20, show_progress="minimal", show_progress_on=self.generate, api_visibility="private",
        )  # fmt: skip
        submitted.success(None, None, None, js=PAUSE)
        submitted.success(**send).then(None, self.batch, None, js=SET_ADDRESS)
        submitted.success(**watch)
        demo.load(self.load, self.visitor, [self.visitor, self.batch], **HIDDEN).then(**watch)
        recalled = demo.load(**recall, outputs=[*self._kept, self.recalled])
        recalled.then(self.offer, [self.generator, self.key], self.generator, **HIDDEN).then(**price)
        self.recalled.change(self.choose, self.generator, [self.face_limit, *self.options.groups], **HIDDEN).then(
            **sides
        ).then(**price).then(**cutouts)
        self.board.tick(**watch)
        self.retry.click(self.again, [self.batch, self.key], None, **HIDDEN).success(**watch)
        self.board.input(self.again_one, [self.batch, self.key], None, **EACH).success(**watch)
        keyed.then(self.give_key, [self.batch, self.key], None, **HIDDEN)
        self.board.edit(self.put_back, [self.batch, self.images], self.images, **HIDDEN).then(**keep).then(
            **price
        ).then(**sides)
        self.cancel.click(self.stop, self.batch, None, **HIDDEN)
        self.share.click(None, self.batch, None, js=COPY_LINK)
        anew = self.anew.click(
            self.start_anew, None,
            [self.batch, self.images, self.sides.decided, self.refused, self.result, *self._board_outputs], **HIDDEN,
        )  # fmt: skip
        anew.then(None, self.batch, None, js=SET_ADDRESS)
        anew.then(**keep).then(**price).then(**sides).then(**cutouts)  # an emptied gallery is not told as a change
        opened = [self.result, self.facts, self.take_home, *self.viewer.place]
        self.board.select(self.open_result, self.batch, opened, **EACH).then(**self.viewer.drawing)
        self.viewer.connect()

    async def look(self, images: list[tuple[str, Any]] | None) -> tuple[list[str], str]:
        """Judge what was just dropped: keep what can be used, say of each other one why not."""
        paths = [Path(path) for path, _ in images or []]
        most = self.studio.settings.max_files
        kept: list[str] = []
        refused: list[dict[str, str]] = []
        results = self.studio.uploads.check(paths)
        for path in paths:
            if len(kept) == most:
                refused.append(
                    _refusal(path, f"One batch takes up to {most} pictures. Make another batch of it.", None)
                )
                continue
            seen = await anext(results)
            if isinstance(seen, ImageRefused):
                refused.append(_refusal(path, str(seen), await self.studio.uploads.refused_preview(path)))
            else:
                kept.append(str(await self.studio.uploads.showable(path, seen)))
        await results.aclose()
        return kept, templating.refused(refused)

    @property
    def _add_example(self) -> str:
        """Puts the example that was pressed among the pictures, in the browser: of two quick presses none is lost."""
        return f"""(images, examples) => {{
          const pressed = examples[document.getElementById("examples").pressed.shift()];
          return [[...(images ?? []), pressed].slice(0, {self.studio.settings.max_files})];
        }}"""

    async def choose(self, generator: str) -> list[Any]:
        """Show the options of the generator that was chosen."""
        spec = self.studio.generator(generator).spec
        return [gr.Textbox(**face_limit_control(spec)), *self.options.show(generator)]

    async def tell_price(
        self,
        images: Sequence[Any] | None,
        decided: Mapping[str, Any],
        key: str,
        generator: str,
        face_limit: str | None,
        *values: Any,
    ) -> tuple[str, gr.Button]:
        """The cost line, and a button that says what it will do."""
        spec = self._generator(generator, key).spec
        pictures = self.sides.pictures(images, decided, spec)
        count, several = len(pictures), sum(bool(picture.sides) for picture in pictures)
        price, object_price, wrong = prices_of(spec, self.options.options(generator, values), face_limit)
        words = f"Make {count} {spec.result_is}{'s' if count > 1 else ''}" if count else "Add pictures first"
        notice = wrong or ("" if key.strip() else self.studio.notice(generator))
        return templating.cost(count - several, price, notice, several, object_price), gr.Button(
            words, interactive=count > 0 and not wrong
        )

    def _generator(self, name: str, key: str) -> Generator:
        """The generator on this key, and on the host's while the key is not one yet."""
        try:
            return self.studio.for_key(name, key)
        except Image2ModelError:
            return self.studio.generator(name)

    async def offer(self, chosen: str, key: str) -> Any:
        """What is on offer now, at which prices; something else chosen where the chosen one is not."""
        offered = offers(self.studio, key)
        on = [item["id"] for item in offered["items"] if not item["off"]]
        return html(**offered) if chosen in on or not on else html(value=on[0], **offered)

    async def use_key(self, key: str) -> Any:
        """Offer what this key makes available."""
        try:
            return html(**offers(self.studio, key))
        except Image2ModelError:
            return html(**offers(self.studio))

    async def give_key(self, batch_id: str, key: str) -> None:
        """Go on with jobs of the open batch that wait for this key."""
        if batch_id and key.strip() and await self.studio.needs_key(batch_id):
            await _friendly(self.studio.give_key(batch_id, key))

    async def put_back(self, batch_id: str, images: list[tuple[str, Any]] | None, event: gr.EventData) -> Any:
        """Put the pictures of a failed job among the pictures again, to be tried with another model.

        The others of its batch leave: they are made already, and would be made and paid for again.
        """
        number = getattr(event, "number", None)
        if not number:
            return gr.skip()
        pictures = await _friendly(self.studio.lend_pictures(batch_id, int(number)))
        view = await _friendly(self.studio.view(batch_id))
        sent = {name for job in view.jobs for name in (job.name, *(side.name for side in job.sides))}
        others = [path for path, _ in images or [] if clean_name(Path(path).name) not in sent]
        return [*others, *map(str, pictures)]

    async def submit(
        self,
        visitor: str,
        images: list[tuple[str, Any]] | None,
        decided: Mapping[str, Any],
        key: str,
        sent: str,
        request: gr.Request,
        generator: str,
        face_limit: str | None,
        *values: Any,
    ) -> tuple[str, gr.Row]:
        """Make a batch of the pictures."""
        try:
            submission = SubmitRequest(
                self.sides.pictures(images, decided, self._generator(generator, key).spec),
                generator=generator,
                options=self.options.options(generator, values),
                face_limit=face_limit or None,  # checked, and made a number, by the generator's option
                cut_out=sent == CUT_OUT,
            )
            batch = await self.studio.submit(submission, _caller(request, key, visitor))
        except Image2ModelError as error:
            raise gr.Error(str(error), print_exception=False) from None
        return batch.id, gr.Row(visible=False)

    async def watch(self, batch_id: str, request: gr.Request) -> AsyncIterator[tuple[Any, ...]]:
        """Show the board and its buttons until the batch is finished, or this page shows another."""
        mine = self._watching[str(request.session_hash)] = _Watcher()
        if not batch_id:
            yield READY, gr.Row(visible=False), gr.skip(), gr.skip(), gr.skip()
            return
        shown: tuple[bool, ...] = ()
        worked = False
        try:
            async for view in self.studio.watch(batch_id):
                if self._watching.get(str(request.session_hash)) is not mine:
                    yield (gr.skip(),) * 5  # Gradio says the last values again at the end
                    return
                buttons = _buttons(view)
                yield templating.board(view), *(_updates(view, buttons) if buttons != shown else [gr.skip()] * 4)
                shown = buttons
                if worked and (needs := _needs_attention(view)):
                    gr.Warning(needs)
                worked = not view.finished
        except Image2ModelError:
            yield GONE, gr.Row(visible=False), gr.skip(), gr.skip(), gr.skip()

    async def load(self, visitor: str, request: gr.Request) -> tuple[str, str]:
        """Know this browser again, and open the batch that the address names."""
        return visitor or secrets.token_urlsafe(24), request.query_params.get("batch", "")

    async def again(self, batch_id: str, key: str, request: gr.Request) -> None:
        """Work again what failed."""
        await _friendly(self.studio.retry(batch_id, caller=_caller(request, key)))

    async def again_one(self, batch_id: str, key: str, request: gr.Request, event: gr.EventData) -> None:
        """Work one picture again, also one that may have been paid for already: its own button said so."""
        numbers = [int(getattr(event, "number", 0))]
        await _friendly(self.studio.retry(batch_id, numbers, _caller(request, key)))

    async def stop(self, batch_id: str) -> None:
        """Cancel what is not finished."""
        await _friendly(self.studio.cancel(batch_id))

    async def start_anew(self, request: gr.Request) -> tuple[Any, ...]:
        """An empty page, which shows no batch any more."""
        self._watching.pop(str(request.session_hash), None)
        return (
            "",
            None,
            NOTHING,
            "",
            gr.Row(visible=False),
            READY,
            gr.Row(visible=False),
            gr.skip(),
            gr.skip(),
            gr.skip(),
        )

    async def open_result(self, batch_id: str, event: gr.EventData) -> tuple[Any, ...]:
        """Make place for one finished job, its facts and its mesh."""
        view = await _friendly(self.studio.view(batch_id))
        job = view.job(getattr(event, "number", 0))
        if job is None or not job.succeeded:
            return (gr.skip(),) * 5
        take_home = templating.take_home(view, job, self.studio.exports.formats())
        return gr.Row(visible=True), templating.facts(view, job), take_home, *self.viewer.open(batch_id, job)


def _caller(request: gr.Request, key: str, visitor: str = "") -> Caller:
    return Caller(visitor, client_address(request), key, correlation_id_of(request))


async def _friendly(work: Awaitable[T]) -> T:
    """Await the work; tell its error to the person."""
    try:
        return await work
    except Image2ModelError as error:
        raise gr.Error(str(error), print_exception=False) from None


def _needs_attention(view: BatchView) -> str:
    """What a person is told when a batch has ended with pictures that only they can help."""
    count = view.counts.failed + view.counts.unconfirmed
    if not count or not view.finished:
        return ""
    return f"{count} {'picture needs' if count == 1 else 'pictures need'} a look: the cards say why."


def _buttons(view: BatchView) -> tuple[bool, bool, bool]:
    """Which of download, retry and cancel are of use now."""
    return view.counts.done > 0, view.retryable, not view.finished


def _updates(view: BatchView, buttons: tuple[bool, bool, bool]) -> list[Any]:
    download, retry, cancel = buttons
    return [
        gr.Row(visible=True),
        gr.Button(visible=download, link=view.zip),
        gr.Button(visible=retry),
        gr.Button(visible=cancel),
    ]


def _refusal(path: Path, message: str, seen: bytes | None) -> dict[str, str]:
    return {"name": clean_name(path.name), "message": message, "glimpse": templating.data_uri(seen)}


def examples() -> list[str]:
    """The example photographs that ship with the project."""
    return [str(path) for path in sorted(EXAMPLES.glob("*.jpg"))]


EXAMPLE_PRESSED = """const place = document.getElementById("examples");
place.pressed = [];
place.addEventListener("click", event => {
  const pressed = event.target.closest("#example-images button");
  if (pressed) place.pressed.push([...place.querySelectorAll("#example-images button")].indexOf(pressed));
}, true);"""
REFUSED_JS = 'element.addEventListener("click", e => { if (e.target.closest(".refused-clear")) props.value = ""; });'


def build(studio: Studio, demo: gr.Blocks, visitor: gr.BrowserState) -> None:
    """Build the tab."""
    Create(studio, visitor).connect(demo)
