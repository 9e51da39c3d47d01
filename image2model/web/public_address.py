"""The address of this app as its visitors see it."""

from __future__ import annotations

import gradio as gr
from fastapi import Request
from gradio.route_utils import get_root_url


def public_root(request: gr.Request | Request | None) -> str:
    """The address of this app as the visitor sees it, without a slash at its end."""
    inner = request.request if isinstance(request, gr.Request) else request
    return get_root_url(inner, inner.url.path, inner.scope.get("root_path")) if inner else ""


def client_of(request: gr.Request | Request | None) -> str:
    """The visitor's address, which the host's limits count; behind a proxy that is trusted, what that one tells.

    Whom to believe is the setting TRUSTED_PROXIES (`security`).
    """
    return request.client.host if request and request.client else ""
