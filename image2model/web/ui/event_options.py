"""Options of the page's own Gradio events: not in the API, without a progress overlay."""

from __future__ import annotations

from typing import Any

HIDDEN: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
EVERY_EVENT: dict[str, Any] = {**HIDDEN, "trigger_mode": "multiple"}
"""Run every event, even while an earlier one is pending: by default Gradio drops it silently."""
LATEST_EVENT: dict[str, Any] = {**HIDDEN, "trigger_mode": "always_last"}
"""Run once more after the pending event, with the latest values, however many events came meanwhile.

Gradio repeats that event for all its listeners: a step that must run once per event (the check of dropped files, the
choice of a generator) is its only listener, and the others follow by `then`.
"""
