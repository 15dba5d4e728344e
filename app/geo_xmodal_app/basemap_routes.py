"""The protocol of a session's own basemap: `PUT /basemap` keeps an address, `DELETE` forgets it."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from geo_xmodal.errors import GeoXmodalError
from geo_xmodal_app.answers import read_body, refused
from geo_xmodal_app.basemaps import MAX_BYTES, forget_basemap, keep_basemap
from geo_xmodal_app.guard import request_session

ADDRESS = "/basemap"


def basemap_routes() -> list[BaseRoute]:
    """The routes of an own basemap."""
    return [Route(ADDRESS, _keep, methods=["PUT"]), Route(ADDRESS, _forget, methods=["DELETE"])]


async def _keep(request: Request) -> Response:
    session = request_session(request)
    if not session:
        return refused(403, "your browser keeps no cookies for this address: load the page again")
    body = await read_body(request, MAX_BYTES)
    if body is None:
        return refused(413, f"more than {MAX_BYTES} bytes for one address")
    try:
        await run_in_threadpool(keep_basemap, session, body)
    except GeoXmodalError as error:
        return refused(422, str(error))
    return JSONResponse({})


async def _forget(request: Request) -> Response:
    session = request_session(request)
    if session:
        await run_in_threadpool(forget_basemap, session)
    return JSONResponse({})
