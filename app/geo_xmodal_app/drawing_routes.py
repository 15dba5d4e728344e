"""The protocol of drawing: `GET /drawing/{id}` gives what is drawn, `PUT` changes it.

`GET /drawing/{id}/segments` gives outlines to click, `.../package` what is drawn as a GeoPackage.

A `PUT` names the revision that it changes; where that is not the latest, the answer is 409 with the latest.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError, OutputError, UsageError
from geo_xmodal.small_files import first_problem
from geo_xmodal.types import Window
from geo_xmodal_app import drawings, workspace
from geo_xmodal_app.answers import read_body, refused
from geo_xmodal_app.drawings import MAX_BYTES, PACKAGE, Change, Drawing, OutdatedError
from geo_xmodal_app.guard import request_session
from geo_xmodal_app.segments import Rings, segments


def drawing_routes() -> list[BaseRoute]:
    """The routes of drawing."""
    return [
        Route("/drawing/{drawing}", _read, methods=["GET"]),
        Route("/drawing/{drawing}", _change, methods=["PUT"]),
        Route("/drawing/{drawing}/segments", _divide, methods=["GET"]),
        Route("/drawing/{drawing}/package", _package, methods=["GET"]),
    ]


async def _read(request: Request) -> Response:
    try:
        found = await run_in_threadpool(_found, request)
    except GeoXmodalError as error:
        return refused(404, str(error))
    return JSONResponse(found.for_browser())


async def _change(request: Request) -> Response:
    body = await read_body(request, MAX_BYTES)
    if body is None:
        return refused(413, f"more than {MAX_BYTES >> 20} MB of labels: draw larger areas with fewer strokes")
    session, drawing = request_session(request), request.path_params["drawing"]
    try:
        await run_in_threadpool(_found, request)
    except GeoXmodalError as error:
        return refused(404, str(error))
    try:
        wanted = await run_in_threadpool(Change.model_validate_json, body)
        made = await run_in_threadpool(drawings.change, session, drawing, wanted)
    except ValidationError as error:
        return refused(422, first_problem(error))
    except OutdatedError as error:
        latest = await run_in_threadpool(_found, request)
        return JSONResponse({**latest.for_browser(), "problem": str(error)}, status_code=409)
    except OutputError as error:
        return refused(507, str(error))
    except GeoXmodalError as error:
        return refused(422, str(error))
    return JSONResponse(await run_in_threadpool(made.for_browser))


async def _divide(request: Request) -> Response:
    try:
        found = await run_in_threadpool(_found, request)
        polygons = await run_in_threadpool(_segments, request, found)
    except GeoXmodalError as error:
        return refused(422, str(error))
    return JSONResponse({"segments": polygons})


async def _package(request: Request) -> Response:
    try:
        path, name = await run_in_threadpool(_written, request)
    except GeoXmodalError as error:
        return refused(422, str(error))
    headers = {"cache-control": "no-store"}
    return FileResponse(path, media_type="application/octet-stream", filename=name, headers=headers)


def _written(request: Request) -> tuple[Path, str]:
    """The GeoPackage as it stands, and what a download of it is called."""
    drawing = _found(request)
    scene = _scene(request, drawing)
    out = drawings.folder_of(request_session(request), drawing) / PACKAGE
    return drawings.write_package(drawing, scene, out), f"{scene.name}-{PACKAGE}"


def _found(request: Request) -> Drawing:
    session = request_session(request)
    found = drawings.load(session, request.path_params["drawing"]) if session else None
    if found is None:
        raise UsageError("nothing is drawn here: load the page again")
    return found


def _segments(request: Request, drawing: Drawing) -> tuple[Rings, ...]:
    asked = request.query_params
    try:
        left, top, right, bottom, pixels = (
            int(asked.get(name, "")) for name in ("left", "top", "right", "bottom", "pixels")
        )
    except ValueError:
        raise UsageError("expected left, top, right, bottom and pixels as whole numbers") from None
    left, right = max(0, left), min(drawing.width, right)
    top, bottom = max(0, top), min(drawing.height, bottom)
    if left >= right or top >= bottom:
        raise UsageError("nothing of the scene is in view: move the map")
    window = Window(top, left, bottom - top, right - left)
    return segments(_reader(request, drawing, asked.get("sensor", "")), window, pixels)


def _reader(request: Request, drawing: Drawing, sensor: str) -> gx.WindowReader:
    scene = _scene(request, drawing)
    return scene.reader(sensor if sensor in scene.config.modalities else scene.target)


def _scene(request: Request, drawing: Drawing) -> gx.Scene:
    entry = workspace.scene(request_session(request), drawing.scene)
    if entry is None or entry.problem is not None:
        raise UsageError("the scene is not there any more: load the page again")
    return entry.opened()
