"""Gradio controls made from a generator's options, and the picker that chooses between generators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import gradio as gr

from ...errors import OptionRefused
from ...services import POSTPROCESS_FACE_LIMIT, GenerationParams, Generator, Services, Spec
from . import assets
from .icons import ICONS
from .templating import capitalized, dollars, render, short_name
from .theme import html

PICKER = """
<div class="picker" role="radiogroup" aria-label="Generator">
${items.map(item => `
<label class="picker-item ${item.off ? "picker-off" : ""} ${item.free ? "free" : ""}" data-has="${item.has}">
<span><input type="radio" name="generator" value="${item.id}"
 ${item.id === value ? "checked" : ""} ${item.off ? "disabled" : ""}>
<svg class="i lock" viewBox="0 0 24 24" aria-hidden="true"><path d="LOCK"/></svg></span>
<span class="picker-text"><b>${item.name}</b><span class="tag">${item.views}</span><span>${item.good_at}</span></span>
<span class="picker-terms"><b>${item.price}</b><span>${item.time}</span></span></label>`).join("")}
${note ? `<p class="picker-note">${note}</p>` : ""}
</div>
""".replace("LOCK", ICONS["lock"])
FILTERS = (
    ("", "All"),
    ("free", "Free"),
    ("cheap", "Under $0.10"),
    ("views", "Several views"),
    ("faces", "Low-poly"),
    ("maps", "Material maps"),
)
"""The filters of the panel: a name in an item's `has`, and its label."""
CHEAP_BELOW = Decimal("0.10")
LOW_POLY_FACES = 100
"""A generator whose face limit goes below this makes low-poly meshes."""
BUILT_IN = "Built in. Inflates one clear subject; the back is a guess."
PRICES = "Prices are fal.ai's for one model with the default options."


def picker(services: Services) -> gr.HTML:
    """The picker of all generators; its value is the id of the chosen one."""
    return html(
        default_generator(services), html_template=PICKER, js_on_load=assets.script("picker", "change"),
        elem_id="generator", label="Generator", **picker_value(services),
    )  # fmt: skip


def default_generator(services: Services) -> str:
    """The id of the default generator: the host's choice, or the first that is available."""
    chosen = services.generator()
    return next(
        (generator.spec.id for generator in (chosen, *services.generators.values()) if not generator.unavailable),
        chosen.spec.id,
    )


def picker_value(services: Services, key: str = "") -> dict[str, Any]:
    """Values of the picker: each generator with the host's key, or with a visitor's own."""
    generators = list(services.generators.values())
    keyed = [services.for_key(generator.spec.id, key) for generator in generators] if key.strip() else generators
    reasons = [generator.unavailable for generator in keyed if generator.unavailable]
    shared = reasons[0] if len(reasons) > 1 and len(set(reasons)) == 1 else ""
    items = [
        _item(generator, "" if shared else generator.unavailable, services.usual_times.get(generator.spec.id))
        for generator in keyed
    ]
    return {"items": items, "note": PRICES if any(generator.key_mark for generator in keyed) else ""}


def locked(services: Services) -> int:
    """Number of generators that are unavailable without a visitor's own key."""
    return sum(bool(generator.unavailable) for generator in services.generators.values())


def _item(generator: Generator, reason: str, measured: tuple[float, float] | None) -> dict[str, Any]:
    """A generator in the list; `reason` why this one alone is unavailable; `measured` is its usual time."""
    spec = generator.spec
    price = spec.price(spec.check(None, None))
    return {
        "id": spec.id,
        "name": short_name(spec.name),
        "good_at": reason or (spec.strengths if price else BUILT_IN),
        "price": dollars(price) if price else "Free",
        "free": not price,
        "time": usual_time(spec, measured),
        "views": views_taken(spec),
        "has": " ".join(_filter_names(spec, price)),
        "off": bool(generator.unavailable),
    }


def _filter_names(spec: Spec, price: Decimal) -> Iterator[str]:
    if not price:
        yield "free"
    if price < CHEAP_BELOW:
        yield "cheap"
    if spec.sides:
        yield "views"
    if spec.face_limit and (spec.face_limit.minimum or LOW_POLY_FACES) < LOW_POLY_FACES:
        yield "faces"
    if any(option.label in ("Material maps", "Material") for option in spec.options):
        yield "maps"


def views_taken(spec: Spec) -> str:
    """Text on the number of pictures of an object that it accepts."""
    return f"1–{len(spec.sides)} views" if spec.sides else "1 picture"


def usual_time(spec: Spec, measured: tuple[float, float] | None = None) -> str:
    """Usual time as text: the range measured here, else the catalogue's estimate."""
    low, high = measured or (spec.usual_seconds, spec.usual_seconds)
    unit, step = ("min", 60.0) if high >= 90 else ("s", 10.0 if high >= 30 else 1.0)
    size = step if unit == "min" else 1.0
    first, last = (max(1, round(round(seconds / step) * step / size)) for seconds in (low, high))
    return f"{first}–{last} {unit}" if first < last else f"about {last} {unit}"


def card(services: Services, generator: Generator, price: Decimal) -> str:
    """The chosen generator, in the rail."""
    spec = generator.spec
    time = usual_time(spec, services.usual_times.get(spec.id))
    line = (
        f"{time[:1].upper()}{time[1:]} · {views_taken(spec)}"
        if price
        else f"Built in, {time.removeprefix('about ')}. The back is a guess."
    )
    return render("generator_card.html", name=short_name(spec.name), price=price, line=line, locked=locked(services))


def summary(spec: Spec, options: Mapping[str, Any], face_limit: Any) -> str:
    """Summary of the options: the first, and those that differ from their defaults."""
    parts = [
        f"{capitalized(str(options.get(option.name) or option.default))} {option.label.lower()}"
        for number, option in enumerate(spec.options)
        if option.kind == "choice" and (number == 0 or options.get(option.name) not in (None, "", option.default))
    ]
    changed = sum(
        options.get(option.name) not in (None, "", option.default) for option in spec.options if option.kind != "choice"
    )
    parts += [f"{face_limit} faces"] if face_limit else []
    parts += [f"{changed} more"] if changed else []
    return " · ".join(parts) or "As they come"


def options_panel(services: Services) -> gr.HTML:
    """The options of all generators; its value has those changed, by `GENERATOR.OPTION` or `face_limit`."""
    specs = [generator.spec for generator in services.generators.values()]
    fields = render("options.html", generators=[(spec, spec.face_limit or POSTPROCESS_FACE_LIMIT) for spec in specs])
    return html({}, html_template=fields, js_on_load=assets.script("options", "change"), elem_id="option-fields")


def chosen_options(changed: Any, generator: str) -> tuple[dict[str, Any], Any]:
    """The options of this generator and the face limit out of the value of `options_panel`."""
    values = changed if isinstance(changed, dict) else {}
    named = [(*name.rpartition(".")[::2], value) for name, value in values.items()]  # ids of generators may have dots
    options = {name: value for owner, name, value in named if owner == generator and value not in (None, "")}
    return options, values.get("face_limit") or None


def prices_of(spec: Spec, options: dict[str, Any], face_limit: Any) -> tuple[Decimal, Decimal, str]:
    """Dollars for one image, and for one object of several sides; the error of invalid options, else empty.

    With invalid options the prices are those of the defaults.
    """
    params, wrong = GenerationParams(), ""
    try:
        params = spec.check(options, face_limit)
    except OptionRefused as error:
        wrong = str(error)
    return spec.price(params), spec.price(replace(params, multiview=True)), wrong
