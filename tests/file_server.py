"""A server of files by range, as object stores are: for tests, in a process of its own.

GDAL holds Python's lock in some of its requests, so that a server in a thread would never answer.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

LOG = ".asked"
WHOLE = "no-ranges"
"""Files of this name are given whole only."""


@dataclass(frozen=True)
class FileServer:
    """A running server of the files of a folder, at `address` (`127.0.0.1:PORT`)."""

    address: str
    folder: Path

    @property
    def asked(self) -> list[dict[str, str]]:
        """Method, path, range and authorization of every request."""
        log = self.folder / LOG
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def paths(self) -> set[str]:
        return {request["path"] for request in self.asked}


@contextmanager
def served(folder: Path) -> Iterator[FileServer]:
    """Serve the files of a folder."""
    child = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield FileServer(f"127.0.0.1:{int(child.stdout.readline())}", folder)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        path = unquote(self.path.partition("?")[0])
        wanted = self.headers.get("Range", "")
        asked = {"method": self.command, "path": path, "range": wanted}
        asked["authorization"] = self.headers.get("Authorization", "")
        with (self.folder / LOG).open("a") as log:
            log.write(json.dumps(asked) + "\n")
        file = self.folder / path.lstrip("/")
        content = file.read_bytes() if file.is_file() else b""
        found = None if file.stem == WHOLE else re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        if not file.is_file():
            self.send_response(403 if "secret" in path else 404)
        elif found and int(found[1]) < len(content):
            last = min(int(found[2] or len(content)), len(content) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {found[1]}-{last}/{len(content)}")
            content = content[int(found[1]) : last + 1]
        else:
            self.send_response(416 if found else 200)
        self.send_header("ETag", f'"{hashlib.sha256(file.read_bytes()).hexdigest() if content else ""}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    Handler.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
