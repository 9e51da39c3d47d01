"""A quicker import of Gradio, to be set up before the first one (gradio 6.31).

For each of its components Gradio renders a stub for editors, compares it with the one beside its source, and fills in
the docstrings of its events: half of the time of its import, and a write to installed files where a stub differs. While
the app runs, neither is read.
"""

from __future__ import annotations

from types import ModuleType

import wrapt


@wrapt.when_imported("gradio.component_meta")
def leave_stubs(module: ModuleType) -> None:
    """Leave the stubs as they were installed."""
    vars(module)["create_or_modify_pyi"] = lambda *_: None


@wrapt.when_imported("gradio.events")
def leave_docstrings(module: ModuleType) -> None:
    """Leave the docstrings of events as templates."""
    vars(module)["EventListener"].set_doc = lambda *_, **__: None
