"""Addresses beside Streamlit's own: files by id, and what the browser runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from geo_xmodal_app.basemap_routes import basemap_routes
from geo_xmodal_app.drawing_routes import drawing_routes
from geo_xmodal_app.entering import entering_routes
from geo_xmodal_app.guard import request_session
from geo_xmodal_app.links import find_link
from geo_xmodal_app.registry import FileEntry, registry
from geo_xmodal_app.settings import settings
from geo_xmodal_app.upload_routes import upload_routes

HERE = Path(__file__).resolve().parent
LIBRARIES = HERE / "static" / "lib"
SCRIPTS = HERE / "viewer" / "js"

MAX_RANGES = 16
"""Ranges in one request; a viewer asks for one, a hostile client for thousands that overlap."""

SMALL_BYTES = 4 << 20
"""A range up to this is read at once; a viewer's tiles are far smaller."""

_RANGE = re.compile(r"(\d{1,18})-(\d{0,18})|-(\d{1,18})", re.ASCII)


def routes() -> list[BaseRoute]:
    """The routes of `st.App`."""
    return [
        Route("/files/{file}", _file, methods=["GET"]),
        Route("/files/{file}/download", _download, methods=["GET"]),
        *upload_routes(),
        *drawing_routes(),
        *basemap_routes(),
        *([] if settings().user_header else entering_routes()),
        Route("/shared/{token}/{file}", _shared, methods=["GET"]),
        Mount("/lib", _Scripts(directory=LIBRARIES, check_dir=False)),
        Mount("/viewer-js", _Scripts(directory=SCRIPTS, check_dir=False)),
    ]


class _Scripts(StaticFiles):
    """Static files that a browser asks for again after an update."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


async def _file(request: Request) -> Response:
    return await _answer(request, request_session(request), download=False)


async def _shared(request: Request) -> Response:
    """A file of somebody's map, to whoever has a link to it."""
    link = await run_in_threadpool(find_link, request.path_params["token"])
    if link is None or request.path_params["file"] not in link.files:
        return PlainTextResponse("no such file\n", status_code=404)
    answer = await _answer(request, link.session, download=False)
    answer.headers["cache-control"] = "no-store"  # a link that is withdrawn leads nowhere at once
    return answer


async def _download(request: Request) -> Response:
    return await _answer(request, request_session(request), download=True)


async def _answer(request: Request, session: str, *, download: bool) -> Response:
    file = request.path_params["file"]
    wanted = None if request.method == "HEAD" else request.headers.get("range")
    entry, content = await run_in_threadpool(_looked_up, session, file, wanted)
    if entry is None:
        return PlainTextResponse("no such file\n", status_code=404)
    headers = {
        # an id stands for one content, so its bytes never need to be asked for twice
        "cache-control": "private, max-age=86400, immutable",
        "content-encoding": "identity",
        "accept-ranges": "bytes",
    }
    media = "image/tiff" if entry.kind == "raster" else "application/octet-stream"
    match content:
        case None:
            name = entry.name if download else None
            return _Whole(entry.path, media_type=media, filename=name, headers=headers)
        case "absurd":
            headers["content-range"] = f"bytes */{entry.size}"
            return PlainTextResponse("no such range\n", status_code=416, headers=headers)
        case start, part:
            headers["content-range"] = f"bytes {start}-{start + len(part) - 1}/{entry.size}"
            return Response(part, status_code=206, media_type=media, headers=headers)


class _Whole(FileResponse):
    chunk_size = 1 << 20


def _looked_up(
    session: str, file: str, wanted: str | None
) -> tuple[FileEntry | None, tuple[int, bytes] | Literal["absurd"] | None]:
    """The file, and of a small single range its start and its bytes; all in one visit to a thread."""
    entry = registry().entry(session, file)
    if entry is None or wanted is None:
        return entry, None
    ranges = _ranges(wanted, entry.size)
    if ranges is None:
        return entry, "absurd"
    start, stop = ranges[0]
    if len(ranges) > 1 or stop - start > SMALL_BYTES:
        return entry, None
    try:
        with entry.path.open("rb") as opened:
            opened.seek(start)
            part = opened.read(stop - start)
    except OSError:
        return None, None
    return (entry, (start, part)) if len(part) == stop - start else (None, None)


def _ranges(wanted: str, size: int) -> list[tuple[int, int]] | None:
    """Start and stop of what a Range header asks for; None unless all of it is there."""
    unit, _, text = wanted.partition("=")
    parts = text.split(",")
    if unit.strip().lower() != "bytes" or len(parts) > MAX_RANGES:
        return None
    found = []
    for one in parts:
        match = _RANGE.fullmatch(one.strip())
        if match is None:
            return None
        first, last, suffix = match.groups()
        if suffix is not None:
            start, stop = max(0, size - int(suffix)), size
        else:
            start, stop = int(first), min(int(last) + 1, size) if last else size
        if start >= stop:
            return None
        found.append((start, stop))
    return found
