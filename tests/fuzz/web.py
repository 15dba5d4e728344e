"""What a browser sends to the web app, and what the app keeps of its jobs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import h11
from starlette.applications import Starlette

from geo_xmodal.errors import UsageError
from geo_xmodal_app import processes
from geo_xmodal_app.guard import Guard
from geo_xmodal_app.job_records import Record, read_records, write_record
from geo_xmodal_app.jobs import Queue
from geo_xmodal_app.routes import routes
from geo_xmodal_app.sessions import COOKIE, LOCAL
from geo_xmodal_app.settings import VARIABLE, Settings
from geo_xmodal_app.uploads import uploads

SESSION = "0123456789abcdef" * 2
JOB = f"sessions/{LOCAL}/jobs/{SESSION}/job.json"
GEOJSON = b'{"type": "FeatureCollection", "features": []}'
UNTOLD = (507,)
"""Statuses of 500 and above that tell of the disk, not of a fault."""


def job_seed(folder: Path) -> None:
    """A job whose process, this one, runs."""
    record = Record(
        id=SESSION, session=LOCAL, title="Train", argv=("train", "--out=x"), folder=folder / "x",
        state="running", created=1e9, turn=1e9, started=1e9 + 1, pid=os.getpid(), born=1e9, message="a",
    )  # fmt: skip
    write_record(folder, record)


def read_jobs(folder: Path) -> None:
    """What a server that starts does with the jobs of an earlier one, and what its pages show."""
    Queue(Settings(work=folder)).jobs(LOCAL)
    for record in read_records(folder):
        if record.running is not None:
            processes.alive(record.running)


def announcement_seed(folder: Path) -> None:
    """What announces an upload."""
    asked = {"name": "a.geojson", "size": len(GEOJSON), "purpose": "area"}
    (folder / "announcement.json").write_text(json.dumps(asked))


def announce(folder: Path) -> None:
    """Send an announcement as the body of a sound request."""
    content = (folder / "announcement.json").read_bytes()
    with _work(folder / "work"):
        _ask(_request("POST", "/upload", content), "announcement.json")


def request_seed(folder: Path) -> None:
    """A request with the only slice of an upload whose id `send_slice` puts in."""
    (folder / "request.http").write_bytes(_request("PATCH", f"/upload/{SESSION}", GEOJSON))


def send_slice(folder: Path) -> None:
    """Send a request as it stands, byte for byte, to an upload that was announced."""
    with _work(folder / "work"):
        begun = uploads().begin(SESSION, "area", "a.geojson", len(GEOJSON))
        content = (folder / "request.http").read_bytes()
        _ask(content.replace(f"/upload/{SESSION}".encode(), f"/upload/{begun.id}".encode()), "request.http")


def _request(method: str, path: str, content: bytes) -> bytes:
    head = [
        f"{method} {path} HTTP/1.1", "Host: localhost", f"Cookie: {COOKIE}={SESSION}", "Upload-Offset: 0",
        f"Content-Length: {len(content)}",
    ]  # fmt: skip
    return "\r\n".join([*head, "", ""]).encode() + content


@contextmanager
def _work(folder: Path) -> Iterator[None]:
    """The app's settings with a work folder, which a server makes before it serves."""
    folder.mkdir()
    with mock.patch.dict(os.environ, {VARIABLE: Settings(work=folder).model_dump_json()}):
        yield


def _ask(content: bytes, name: str) -> None:
    """Answer a request as the server does.

    Raises:
        UsageError: It is refused, by its status or by the rules of HTTP.
        AssertionError: The answer is a status that tells of a fault.
    """
    connection = h11.Connection(h11.SERVER)
    try:
        connection.receive_data(content)
        head, parts = connection.next_event(), []
        if not isinstance(head, h11.Request):
            raise UsageError(f"{name}: no whole request")
        while isinstance(part := connection.next_event(), h11.Data):
            parts.append(bytes(part.data))
    except h11.RemoteProtocolError as error:
        raise UsageError(f"{name}: {error}") from None
    answered = _answered(head, b"".join(parts), whole=isinstance(part, h11.EndOfMessage))
    with ThreadPoolExecutor(1) as apart:  # this thread may have a loop already, as after a browser's tests
        status = apart.submit(asyncio.run, answered).result()
    assert status < 500 or status in UNTOLD, f"the server answers {status}"
    if status >= 400:
        raise UsageError(f"{name}: the server answers {status}")


async def _answered(head: h11.Request, body: bytes, *, whole: bool) -> int:
    path, _, query = head.target.partition(b"?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": head.method.decode(),
        "scheme": "http", "path": path.decode("latin-1"), "raw_path": path, "query_string": query,
        "root_path": "", "headers": list(head.headers), "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }  # fmt: skip
    coming: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": not whole}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await Guard(Starlette(routes=routes()), (), lambda session: {})(scope, receive, send)  # type: ignore[arg-type]
    return int(sent[0]["status"])
