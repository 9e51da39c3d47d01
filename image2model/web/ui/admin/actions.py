"""HTML with action buttons: a click sends `data-action` and the other data attributes of the button."""

from __future__ import annotations

import gradio as gr

from .. import assets
from ..theme import html


def action_html(elem_id: str) -> gr.HTML:
    """A component with the events `select`, a click on a button, and `tick`, four times a minute while it is visible.

    The event's field `dataset` holds the data attributes: of the button, or of the element marked `data-current`.
    """
    return html(elem_id=elem_id, js_on_load=assets.script("admin", "select", "tick"))
