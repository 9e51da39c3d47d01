"""HTML whose buttons tell what they want: `data-do` and the other data attributes of the one that was pressed."""

from __future__ import annotations

import gradio as gr

from .. import assets
from ..theme import html


def action_html(elem_id: str) -> gr.HTML:
    """A component that has `select` when a button was pressed and `tick` four times a minute while it is looked at.

    The event's field `wanted` holds the data attributes: of the button, or of what is marked `data-shown`.
    """
    return html(elem_id=elem_id, js_on_load=assets.script("admin", "select", "tick"))
