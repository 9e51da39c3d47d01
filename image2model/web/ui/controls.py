"""Gradio controls made from a generator's options, and the picker that chooses between generators."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import gradio as gr
from gradio.components import Component

from ...errors import OptionRefused
from ...services import POSTPROCESS_FACE_LIMIT, Choice, Generator, Option, Spec, Studio
from .templating import dollars, seconds
from .theme import html

PICKER = """
<div class="picker" role="radiogroup" aria-label="Generator">
${items.map(item => `<label class="picker-item ${item.off ? "picker-off" : ""}">
<input type="radio" name="generator" value="${item.id}"
 ${item.id === value ? "checked" : ""} ${item.off ? "disabled" : ""}>
<span class="picker-text"><b>${item.name}<i>${item.views}</i></b><span>${item.good_at}</span></span>
<span class="picker-terms"><b>${item.price}</b><span>${item.time}</span></span></label>`).join("")}
</div>
${note ? `<p class="picker-note">${note}</p>` : ""}
"""
PICKER_JS = """
element.addEventListener("change", event => {
  if (event.target.name !== "generator") return;
  props.value = event.target.value;
  trigger("change");
});
"""


def picker(studio: Studio) -> gr.HTML:
    """All generators on offer, one chosen; its value is the chosen id."""
    chosen = studio.generator()
    value = next((one.spec.id for one in (chosen, *studio.generators.values()) if not one.unavailable), chosen.spec.id)
    return html(
        value, html_template=PICKER, js_on_load=PICKER_JS, elem_id="generator", label="Generator", **offers(studio)
    )


def offers(studio: Studio, key: str = "") -> dict[str, Any]:
    """What the picker lists: each generator as it is for the host's key, or for a visitor's own."""
    ours = list(studio.generators.values())
    seen = [studio.for_key(one.spec.id, key) for one in ours] if key.strip() else ours
    reasons = [one.unavailable for one in seen if one.unavailable]
    shared = reasons[0] if len(reasons) > 1 and len(set(reasons)) == 1 else ""
    return {"items": [_item(one, "" if shared else one.unavailable) for one in seen], "note": shared}


def _item(generator: Generator, reason: str) -> dict[str, Any]:
    """One generator of the list; `reason` is why it is off, where that is its own."""
    spec = generator.spec
    price = spec.price(spec.check(None, None))
    return {
        "id": spec.id,
        "name": spec.name,
        "good_at": reason or spec.good_at,
        "price": dollars(price) if price else "free",
        "time": f"about {seconds(spec.usual_seconds)}"
        if spec.usual_seconds < 90
        else f"{spec.usual_seconds / 60:.0f} min",
        "views": "several views" if spec.sides else "",
        "off": bool(generator.unavailable),
    }


def control(option: Option, elem_id: str) -> Component:
    """The Gradio control for one option."""
    common: dict[str, Any] = {"label": option.label, "info": option.help or None, "elem_id": elem_id}
    if option.kind == "bool":
        return gr.Checkbox(value=bool(option.default), **common)
    if option.kind == "choice":
        return gr.Dropdown(list(option.choices), value=option.default, **common)
    if option.kind == "float" and option.minimum is not None and option.maximum is not None:
        return gr.Slider(option.minimum, option.maximum, value=option.default, step=option.step or 0.05, **common)
    return number_field(value=option.default, **common)


def number_field(**settings: Any) -> gr.Textbox:
    """A field for a number that may stay empty, which gr.Number turns into 0."""
    return gr.Textbox(placeholder="automatic", max_lines=1, **settings)


class OptionControls:
    """The controls of every generator, of which one generator's are shown."""

    def __init__(self, studio: Studio, shown: str) -> None:
        self._specs = [generator.spec for generator in studio.generators.values()]
        self._groups: list[gr.Group] = []
        self._names: list[tuple[str, str]] = []
        self.components: list[Any] = []
        for spec in self._specs:
            with gr.Group(visible=spec.id == shown and bool(spec.options), elem_classes="options") as group:
                for option in spec.options:
                    self._names.append((spec.id, option.name))
                    self.components.append(control(option, f"option-{spec.id}-{option.name}"))
            self._groups.append(group)

    @property
    def groups(self) -> list[gr.Group]:
        """One group for each generator."""
        return self._groups

    def show(self, generator: str) -> list[Any]:
        """Updates for `groups`, so that only this generator's controls are seen."""
        return [gr.Group(visible=spec.id == generator and bool(spec.options)) for spec in self._specs]

    def options(self, generator: str, values: tuple[Any, ...]) -> dict[str, Any]:
        """The chosen generator's options out of the values of all `components`."""
        pairs = zip(self._names, values, strict=True)
        return {name: value for (owner, name), value in pairs if owner == generator and value not in (None, "")}


def face_limit_control(spec: Spec) -> dict[str, Any]:
    """What the face-limit field says for this generator."""
    option = spec.face_limit or POSTPROCESS_FACE_LIMIT
    return {"label": option.label, "info": f"{option.help} {option.accepted_values().capitalize()}.".strip()}


def prices_of(spec: Spec, options: dict[str, Any], face_limit: Any) -> tuple[Decimal, Decimal, str]:
    """Dollars for one image, and for one object of several sides; why the choice cannot be, else empty.

    For a choice out of range the prices are those of nothing chosen.
    """
    choice, wrong = Choice(), ""
    try:
        choice = spec.check(options, face_limit)
    except OptionRefused as error:
        wrong = str(error)
    return spec.price(choice), spec.price(replace(choice, multiview=True)), wrong
