"""The price of the next batch, and the main button."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ...plurals import pluralize
from ...services import BatchView, Picture
from . import results, templating


@dataclass(frozen=True, slots=True)
class Order:
    """Contents of a submission by the main button."""

    pictures: Sequence[Picture]
    price: Decimal
    """US dollars for one picture."""
    object_price: Decimal
    """US dollars for one object of several views."""
    wrong: str = ""
    """Reason why it cannot be made; empty if it can."""

    @property
    def objects(self) -> int:
        """Number of objects with several views."""
        return sum(bool(picture.sides) for picture in self.pictures)

    @property
    def total(self) -> Decimal:
        """US dollars in all."""
        return self.price * (len(self.pictures) - self.objects) + self.object_price * self.objects

    @property
    def models(self) -> str:
        """Number of models as text."""
        return pluralize(len(self.pictures), "model")


def signature(*chosen: Any) -> str:
    """Return a text that is equal for the same pictures, generator and options."""
    return json.dumps(chosen, sort_keys=True, default=str)


def label(order: Order, mode: str, working: bool, again: bool) -> tuple[str, bool]:
    """Return the main button's label, and whether it is enabled.

    `mode` is choose, make or made; `again` tells that a batch is shown already: then the price is on the button.
    """
    if mode == "choose":
        return "Choose pictures", True
    if mode == "made":
        return (f"Making {order.models}", False) if working else ("Try another generator", True)
    price = f" · {templating.dollars(order.total)}" if again and order.total else ""
    return f"Make {order.models}{price}", not order.wrong


def cost_html(order: Order, button: tuple[str, bool], made: BatchView | None = None, **more: Any) -> str:
    """Return the sum above the button: how many, what each costs, what is left out, what is wrong.

    `button` is its `label`; `made` the finished batch of this very order, whose sum is what came of it; `more` goes to
    the template as it is.
    """
    models, total = order.models, templating.dollars(order.total) if order.total or order.price else "Free"
    if made:
        models = pluralize(made.counts.done, "model") if made.counts.done else "No models"
        total = results.dollars_spent(made) if made.cost.estimate else total
    single = len(order.pictures) - order.objects
    views = {len(picture.by_side) for picture in order.pictures if picture.sides}
    several = f"from {views.pop()} views" if len(views) == 1 else "from several views"
    lines = [(single, "picture" if single == 1 else "pictures", order.price)]
    lines += [(order.objects, f"{'object' if order.objects == 1 else 'objects'} {several}", order.object_price)]
    lines = [line for line in lines if line[0]]
    return templating.render(
        "cost.html", label=button[0], pressable=button[1], models=models, total=total, price=order.price,
        lines=lines, each=_each(lines), **more,
    )  # fmt: skip


def _each(lines: Sequence[tuple[int, str, Decimal]]) -> str:
    prices = [price for _, _, price in lines]
    if not any(prices):
        return ""
    if len(set(prices)) == 1:
        return f"{templating.dollars(prices[0])} each" if sum(number for number, _, _ in lines) > 1 else ""
    return " + ".join(f"{number} × {templating.dollars(price)}" for number, _, price in lines)


def is_submitted(made: Mapping[str, Any] | None, order: str, batch_id: str) -> bool:
    """True if the batch on the page was made from this order."""
    return bool(made and batch_id and made["batch"] == batch_id and made["order"] in (order, None))
