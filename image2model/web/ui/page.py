"""The page: its frame and its three tabs."""

from __future__ import annotations

import gradio as gr

from ...services import Studio
from .. import gradio_api, gradio_compat
from ..middleware.correlation import CorrelationIdBlocks
from . import admin, code_samples, create, library
from .theme import html

HEADER = """
<header class="masthead"><img class="mark" src="favicon.ico" alt="" width="44" height="44">
<div><h1>image2model</h1><p>Pictures in, 3D models out.</p></div></header>
"""


def build(studio: Studio) -> gr.Blocks:
    """The whole page as Blocks, ready to be launched."""
    demo: gr.Blocks
    with CorrelationIdBlocks(title="image2model", analytics_enabled=False, fill_width=True) as demo:
        html(HEADER, elem_id="masthead")
        visitor = gr.BrowserState("", storage_key="image2model-visitor", secret=studio.secret)
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Create", id="create"):
                create.build(studio, demo, visitor)
            with gr.Tab("Library", id="library") as library_tab:
                library.build(studio, library_tab, visitor)
            with gr.Tab("API", id="api"):
                code_samples.build()
            with gr.Tab("Admin", id="admin"):
                admin.build(studio, demo)
        demo.load(None, None, None, js="openTab")
        gradio_api.add_endpoints(studio)
    gradio_compat.remove_space_badge(demo)
    gradio_api.guard_inputs(studio, demo)
    return demo
