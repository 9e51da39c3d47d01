"""A stand-in for Hugging Face's buckets on a free port of this machine.

It answers what `huggingface_hub` asks of a bucket. Contents go where they really go, through hf_xet, whose storage is a
folder here instead of a server.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import hf_xet

ID = "owner/name"


class Hub(ThreadingHTTPServer):
    """Starts with `start`, has one empty bucket, and stops with `stop`."""

    def __init__(self, contents: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.store = f"hf://buckets/{ID}/some/place"
        """An ASSET_STORE that lies there."""
        self.contents = contents
        self.files: dict[str, dict[str, Any]] = {}
        """The Hub's metadata of each file, by its path."""

    def start(self) -> Self:
        """Return when it answers."""
        Thread(target=self.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        """End the server."""
        self.shutdown()
        self.server_close()

    def add(self, path: str, content: str) -> None:
        """Add a file whose content is stored under this hash; its size is what is found there."""
        copy, token = self.contents / "copy", f"{self.url}/api/buckets/{ID}/xet-read-token"
        session = hf_xet.XetSession()
        with session.new_file_download_group(token_refresh_url=token, token_refresh_headers={}) as group:
            group.start_download_file(hf_xet.XetFileInfo(content, None), str(copy))
        entry = {"type": "file", "path": path, "size": copy.stat().st_size, "xetHash": content}
        self.files[path] = {**entry, "uploadedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}

    def tree(self, beginning: str, recursive: bool) -> list[dict[str, Any]]:
        """The files whose path begins so, and instead of those that lie deeper their folders."""
        found = [file for path, file in self.files.items() if path.startswith(beginning)]
        if recursive:
            return found
        depth = beginning.count("/") + 2
        shortened = {"/".join(file["path"].split("/")[:depth]): file for file in found}
        return [
            file if file["path"] == path else {"type": "directory", "path": path} for path, file in shortened.items()
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        if path.endswith(("/xet-read-token", "/xet-write-token")):
            store = f"local://{self.server.contents}"
            self._answer(200, {"accessToken": "token", "exp": int(time.time()) + 3600, "casUrl": store})
        elif path.startswith(f"/api/buckets/{ID}/tree/"):
            _, _, beginning = path.partition("/tree/")
            self._answer(200, self.server.tree(beginning, parse_qs(address.query)["recursive"] == ["true"]))
        else:
            self._answer(404, {})

    def do_HEAD(self) -> None:
        file = self.server.files[unquote(self.path).partition("/resolve/")[2]]
        token = f"{self.server.url}/api/buckets/{ID}/xet-read-token"
        self.send_response(200)
        headers = {"X-Xet-Hash": file["xetHash"], "X-Linked-Size": file["size"], "X-Xet-Refresh-Route": token}
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == f"/api/buckets/{ID}/batch":
            for operation in map(json.loads, data.splitlines()):
                if operation["type"] == "addFile":
                    self.server.add(operation["path"], operation["xetHash"])
                else:
                    del self.server.files[operation["path"]]
            self._answer(200, {"success": True})
        elif self.path == f"/api/buckets/{ID}/paths-info":
            paths = json.loads(data)["paths"]
            self._answer(200, [self.server.files[path] for path in paths if path in self.server.files])
        else:
            self._answer(404, {})

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
