"""The page: its top bar and its four tabs, two in the bar and two in the menu."""

from __future__ import annotations

import gradio as gr

from ...services import Services
from .. import gradio_api, gradio_compat
from ..middleware.correlation import CorrelationIdBlocks
from . import admin, code_samples, create, library, templating
from .picture_cache import PictureCache
from .theme import html


def build(services: Services, cache: PictureCache) -> gr.Blocks:
    """The whole page as Blocks; `cache` holds the previews that `file_routes` serves."""
    demo: gr.Blocks
    with CorrelationIdBlocks(title="image2model", analytics_enabled=False, fill_width=True) as demo:
        html(templating.render("masthead.html"), elem_id="masthead")
        visitor = gr.BrowserState("", storage_key="image2model-visitor", secret=services.secret)
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Create", id="create"):
                create.build(services, demo, visitor, cache)
            with gr.Tab("Library", id="library") as library_tab:
                library.build(services, demo, library_tab, visitor)
            with gr.Tab("API", id="api"):
                code_samples.build()
            with gr.Tab("Admin", id="admin"):
                admin.build(services, demo)
        gradio_api.add_endpoints(services)
    gradio_compat.remove_space_badge(demo)
    gradio_api.guard_inputs(services, demo)
    return demo
