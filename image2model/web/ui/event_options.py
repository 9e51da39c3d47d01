"""How Gradio runs the page's own events: no part of the API, and without its veil over what will change."""

from __future__ import annotations

from typing import Any

HIDDEN: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
EACH: dict[str, Any] = {**HIDDEN, "trigger_mode": "multiple"}
"""Of what a person may do again before the answer is there: Gradio would leave out the second time without a word."""
LAST: dict[str, Any] = {**HIDDEN, "trigger_mode": "always_last"}
"""Of what shows how things stand: while one is pending, all that come are one more, afterwards.

Gradio sends that one as the whole event again, to all its listeners: what must run once per event (the judgement of a
drop, the choice of a generator) is its only listener, and the rest follows by `then`.
"""
