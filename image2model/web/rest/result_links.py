"""URLs of results, which work in a page's `<a>` and `<img>`, where no header can be sent.

Where downloads are locked they are signed and expire.
"""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from fastapi import Request
from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import BaseModel, Field

from ...errors import NotFound
from ...services import THUMBNAIL_FILE, Services
from ..public_address import public_root_url

VALID_SECONDS = 86400
THUMBNAIL_MEDIA_TYPE = "image/webp"


class RenderedImage(BaseModel):
    """Thumbnail of a mesh."""

    url: str
    content_type: str = THUMBNAIL_MEDIA_TYPE
    file_name: str = Field(description="Name to save it under")


class ResultLinks:
    """The URLs of one batch's results, at the address by which a request's client reaches the app."""

    def __init__(self, services: Services, request: Request, job_id: str) -> None:
        self._services, self._job_id = services, job_id
        self._root = f"{public_root_url(request)}/api/v1/download/{job_id}"

    def mesh(self, stem: str) -> str:
        """The URL of a GLB."""
        return self._url(f"{stem}.glb")

    async def rendered_image(self, batch_id: str, number: int, stem: str) -> RenderedImage | None:
        """The thumbnail of a job's mesh; None if there is none."""
        name = f"{stem}.webp"
        with suppress(NotFound):
            await self._services.file(batch_id, number, THUMBNAIL_FILE)
            return RenderedImage(url=self._url(name), file_name=name)
        return None

    def _url(self, filename: str) -> str:
        url, settings = f"{self._root}/{quote(filename)}", self._services.settings
        if settings.api_key or settings.app_users:
            return f"{url}?signature={_signer(self._services).dumps([self._job_id, filename])}"
        return url


def is_signed(services: Services, signature: str, job_id: str, filename: str) -> bool:
    """True if the signature is valid for this file under the present API_KEY, and not expired."""
    try:
        return bool(_signer(services).loads(signature, max_age=VALID_SECONDS) == [job_id, filename])
    except BadData:
        return False


def _signer(services: Services) -> URLSafeTimedSerializer:
    key = services.settings.api_key
    return URLSafeTimedSerializer(services.secret, salt=f"download {key.get_secret_value() if key else ''}")
