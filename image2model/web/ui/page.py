"""The page: its frame and its three tabs."""

from __future__ import annotations

import gradio as gr

from ...services import Studio
from .. import gradio_api
from ..middleware.correlation import CorrelatedBlocks
from . import admin, code_samples, create, library
from .theme import html

HEADER = """
<header class="masthead"><img class="mark" src="favicon.ico" alt="" width="44" height="44">
<div><h1>image2model</h1><p>Pictures in, 3D models out.</p></div></header>
"""


def build(studio: Studio) -> gr.Blocks:
    """The whole page as Blocks, ready to be launched."""
    demo: gr.Blocks
    with CorrelatedBlocks(title="image2model", analytics_enabled=False, fill_width=True) as demo:
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
        gradio_api.build(studio)
    demo.space_id = None  # else Gradio puts a box of its own on a Space's page, with fonts and numbers from other hosts
    gradio_api.guard(studio, demo)
    return demo
