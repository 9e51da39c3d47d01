"""A stand-in for signing in at Hugging Face: an OpenID provider that lets everybody in under the name a test gives."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from itsdangerous import TimestampSigner
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "client", "client's secret"


class HubSignIn:
    """Listens on a loopback port while it is used as a context manager; `name` is who signs in next."""

    def __init__(self) -> None:
        self.name = ""
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self._nonces: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HubSignIn:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a Space with `hf_oauth: true`."""
        return {
            "SYSTEM": "spaces", "SPACE_ID": "somebody/image2model", "OAUTH_CLIENT_ID": CLIENT,
            "OAUTH_CLIENT_SECRET": SECRET, "OAUTH_SCOPES": "openid profile", "OPENID_PROVIDER_URL": self.url,
        }  # fmt: skip

    def metadata(self) -> dict[str, Any]:
        """OpenID metadata: the addresses of the routes."""
        return {
            "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }  # fmt: skip

    def keys(self) -> dict[str, Any]:
        """The key that tokens are checked with."""
        return {"keys": [self._key.as_dict(private=False)]}

    def back(self, asked: dict[str, str]) -> str:
        """Address to which the browser returns with its code."""
        code = f"code-{len(self._nonces)}"
        self._nonces[code] = asked["nonce"]
        return f"{asked['redirect_uri']}&{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, code: str) -> dict[str, Any]:
        """Signed ID token of the person who has signed in."""
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 3600, "nonce": self._nonces.pop(code),
            **person(self.name),
        }  # fmt: skip
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key)
        return {"access_token": "t", "token_type": "bearer", "expires_in": 3600, "scope": "openid", "id_token": signed}


class _Handler(BaseHTTPRequestHandler):
    hub: HubSignIn

    def do_GET(self) -> None:
        """Metadata, keys, and the way back at once."""
        address = urlsplit(self.path)
        if address.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.hub.back({k: v[0] for k, v in parse_qs(address.query).items()}))
            self.end_headers()
        else:
            self._answer(self.hub.keys() if address.path == "/keys" else self.hub.metadata())

    def do_POST(self) -> None:
        """The token for a code."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer(self.hub.token(parse_qs(body)["code"][0]))

    def _answer(self, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def person(name: str) -> dict[str, str]:
    """The user information from Hugging Face."""
    return {
        "name": name.title(),
        "preferred_username": name,
        "profile": f"https://huggingface.co/{name}",
        "picture": "",
    }


def session(name: str, secret: str, expires_at: float) -> str:
    """A session cookie as Starlette signs it with this secret."""
    contents = {
        "oauth_info": {"userinfo": person(name), "expires_at": int(expires_at), "access_token": "t", "scope": ""}
    }
    return TimestampSigner(secret).sign(base64.b64encode(json.dumps(contents).encode())).decode()
