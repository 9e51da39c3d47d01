"""A server that speaks S3, for tests of object storage: moto's, on a free port of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import httpx
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

BUCKET, REGION = "models", "us-east-1"
ACCESS_KEY, SECRET_KEY = "anybody", "anything"


class S3Server:
    """Starts with `start`, has one empty bucket, and forgets everything with `stop`."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.store = f"s3://{BUCKET}/some/place"
        """An ASSET_STORE that lies there."""

    def start(self) -> Self:
        """Return when it answers."""
        self._server.start()
        _, port = self._server.get_host_and_port()
        self.url = f"http://127.0.0.1:{port}"
        httpx.put(f"{self.url}/{BUCKET}").raise_for_status()
        return self

    def stop(self) -> None:
        """End the server."""
        self._server.stop()

    def sign(self, url: str, seconds: int) -> str:
        """Address at which Amazon's own client would find an object without a key, for so many seconds from now."""
        request = AWSRequest("GET", url)
        S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION, seconds).add_auth(request)
        return str(request.url)

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables for a client."""
        return {
            "AWS_ENDPOINT_URL": self.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }  # fmt: skip
