"""The HTTP interfaces: page, REST, Gradio's API and files."""

from . import gradio_import as gradio_import  # before anything here imports Gradio
