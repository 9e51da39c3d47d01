"""The middleware that every request passes, Gradio's routes as well as our own."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from ...services import Services
from ...settings import Settings
from ..rate_limits import rate_limits
from .body_limits import BodyLimitMiddleware
from .connection_limit import ConnectionLimitMiddleware
from .correlation import CorrelationIdMiddleware
from .gradio_errors import GradioErrorsMiddleware
from .gradio_routes import GradioRoutesMiddleware
from .origin_check import WILDCARD, CrossSiteMiddleware, TrustedHostMiddleware
from .page_address import PageAddressMiddleware
from .proxy_headers import TrustedProxyMiddleware
from .request_metrics import RequestMetricsMiddleware
from .security_headers import SecurityHeadersMiddleware
from .throttle import SignInThrottleMiddleware
from .upload_guard import UploadGuardMiddleware

EXPOSED_HEADERS = ("X-Correlation-ID", "Content-Disposition", "Content-Range", "Retry-After")
"""Headers that scripts of allowed other sites may read."""


def middleware_stack(settings: Settings, services: Services) -> list[Middleware]:
    """The middleware, the outermost first."""
    origins = settings.cors_origins.split()
    max_upload = (settings.max_files + 1) * 4_000_000 * settings.max_file_mb
    return [
        Middleware(CorrelationIdMiddleware),
        Middleware(RequestMetricsMiddleware),
        Middleware(
            TrustedProxyMiddleware, trusted_proxies=settings.trusted_proxies,
            note_untrusted=services.untrusted_proxy.record_peer,
        ),
        Middleware(SecurityHeadersMiddleware),
        Middleware(ConnectionLimitMiddleware),
        Middleware(TrustedHostMiddleware, allowed_hosts=settings.allowed_hosts),
        Middleware(PageAddressMiddleware),  # before the next one, which compares both
        Middleware(CrossSiteMiddleware, allowed_origins=settings.cors_origins),
        Middleware(BodyLimitMiddleware, max_upload_bytes=max_upload),
        Middleware(UploadGuardMiddleware, services=services),
        Middleware(GradioErrorsMiddleware),
        Middleware(GradioRoutesMiddleware),
        Middleware(SignInThrottleMiddleware, limits=rate_limits(settings.celery_broker_url)),
        Middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"],
            allow_credentials=WILDCARD not in origins, expose_headers=EXPOSED_HEADERS,
        ),
    ]  # fmt: skip
