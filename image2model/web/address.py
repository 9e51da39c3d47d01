"""Addresses of this app as its visitors see it."""

from __future__ import annotations

import gradio as gr
from gradio.data_classes import FileData
from gradio.route_utils import get_root_url


def public_root(request: gr.Request | None) -> str:
    """The address of this app as the visitor sees it, without a slash at its end."""
    inner = request.request if request else None
    return get_root_url(inner, inner.url.path, inner.scope.get("root_path")) if inner else ""


def by_address(address: str | None) -> FileData | None:
    """A file component's value as the address of a file that this app serves.

    Gradio would copy a file into its cache, on the event loop, and fetch an address itself; given as
    `url`, the client gets it straight from our route.
    """
    return FileData(path=address, url=address, orig_name=address.rsplit("/", 1)[-1]) if address else None
