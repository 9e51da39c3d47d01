"""Addresses: the app's public URL, and the visitors' IP addresses."""

from __future__ import annotations

import gradio as gr
from fastapi import Request
from starlette.types import Scope

from .gradio_compat import root_url


def public_root_url(request: gr.Request | Request | None) -> str:
    """The app's URL as the visitor sees it, without a trailing slash: PUBLIC_URL (`server`), else by the request."""
    inner = request.request if isinstance(request, gr.Request) else request
    return root_url(inner) if inner else ""


def client_address(request: gr.Request | Request | None) -> str:
    """The visitor's IP address, by which limits count; behind a trusted proxy the forwarded address."""
    return request.client.host if request and request.client else ""


def client_of(scope: Scope) -> str:
    """The same of an ASGI scope."""
    return str(scope["client"][0]) if scope.get("client") else ""
