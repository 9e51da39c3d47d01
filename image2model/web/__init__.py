"""The HTTP interfaces: page, REST, Gradio's API and files."""
