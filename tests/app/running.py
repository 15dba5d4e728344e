"""A real server on a free port, and requests to it that no HTTP library would send."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COOKIE = "gx_session"
STARTS_WITHIN = 120.0

_SERVE_SCRIPT = """
import json, sys
from pathlib import Path
from geo_xmodal_app.server import serve
from geo_xmodal_app.settings import Settings
settings = Settings(work=Path(sys.argv[1]), port=0, basemap="")
serve(settings, lambda url: print(json.dumps({"url": url}), flush=True), Path(sys.argv[2]))
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class RunningServer:
    """`geo-xmodal serve` in a process of its own."""

    work: Path
    process: subprocess.Popen[str]
    url: str
    errors: list[str] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None and parts.port is not None
        return parts.hostname, parts.port

    def ask(
        self,
        method: str,
        path: str,
        *,
        session: str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, its path sent as it is."""
        connection = HTTPConnection(*self.address, timeout=120)
        cookie = {} if session is None else {"Cookie": f"{COOKIE}={session}"}
        connection.request(method, path, body=body, headers={**cookie, **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

    def new_session(self) -> str:
        """The session that a browser gets with its first page."""
        cookie = self.ask("GET", "/", headers={"Accept": "text/html"}).headers["set-cookie"]
        return cookie.partition("=")[2].partition(";")[0]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """End it, as Ctrl-C does or harder; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=120)


def start_server(work: Path, *options: str) -> RunningServer:
    """Start `geo-xmodal serve` on a free port; returns when it serves."""
    command = ["-m", "geo_xmodal.cli", "serve", "--port", "0", "--work", str(work), "--basemap", "", "--json"]
    return _started(work, [*command, *options])


def start_script(work: Path, script: Path) -> RunningServer:
    """Start the server with another script of pages than the app's."""
    return _started(work, ["-c", _SERVE_SCRIPT, str(work), str(script)])


def _started(work: Path, arguments: list[str]) -> RunningServer:
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    errors: list[str] = []
    threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True).start()
    watchdog = threading.Timer(STARTS_WITHIN, process.kill)
    watchdog.start()
    line = process.stdout.readline()
    watchdog.cancel()
    if not line:
        process.wait(timeout=120)
        raise AssertionError(f"the server did not start: {''.join(errors)[-2000:]}")
    return RunningServer(work, process, json.loads(line)["url"], errors)
