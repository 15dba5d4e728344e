"""The protocol of uploads: announce a file, send it in slices, go on after a cut, take it back.

`POST /upload` announces name, size and purpose and gives an id. `PATCH /upload/{id}` sends the bytes from
`Upload-Offset` on; `GET` says how many have come. The slice that brings the last byte is answered when the
file has been checked.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from geo_xmodal.errors import GeoXmodalError, OutputError
from geo_xmodal_app.guard import request_session
from geo_xmodal_app.uploads import Purpose, Upload, UploadConflictError, uploads

SLICE_BYTES = 16 << 20
"""What the browser sends at once; a cut costs at most one slice."""

_MAX_ANNOUNCEMENT = 4096
_BUFFER = 1 << 20
"""Bytes gathered before a thread is asked to write them."""


class _Announcement(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(max_length=1000)
    size: int
    purpose: Purpose


def upload_routes() -> list[BaseRoute]:
    """The routes of uploads."""
    return [
        Route("/upload", _begin, methods=["POST"]),
        Route("/upload/{upload}", _state, methods=["GET"]),
        Route("/upload/{upload}", _slice, methods=["PATCH"]),
        Route("/upload/{upload}", _remove, methods=["DELETE"]),
    ]


async def _begin(request: Request) -> Response:
    session = request_session(request)
    if not session:
        return _refused(403, "no session: open the app's page first")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_ANNOUNCEMENT:
            return _refused(413, "an announcement is shorter than that")
    try:
        asked = _Announcement.model_validate_json(body)
        made = await run_in_threadpool(uploads().begin, session, asked.purpose, asked.name, asked.size)
    except ValidationError:
        return _refused(400, "expected name, size and purpose")
    except GeoXmodalError as error:
        return _refused(413, str(error))
    return JSONResponse(_described(made), status_code=201)


async def _state(request: Request) -> Response:
    found = await run_in_threadpool(uploads().upload, *_asked(request)) if request_session(request) else None
    return _refused(404, "no such upload") if found is None else JSONResponse(_described(found))


async def _slice(request: Request) -> Response:
    session, upload = _asked(request)
    found = await run_in_threadpool(uploads().upload, session, upload) if session else None
    if found is None:
        return _refused(404, "no such upload")
    try:
        offset = int(request.headers.get("upload-offset", ""))
    except ValueError:
        return _refused(400, "expected the header Upload-Offset")
    if offset != found.received or found.path is not None:
        return JSONResponse(_described(found), status_code=409)
    try:
        await _receive(request, session, upload, offset)
        found = uploads().upload(session, upload)
        if found is not None and found.path is None and found.received == found.size:
            found = await run_in_threadpool(uploads().finish, session, upload)
    except ClientDisconnect:
        return _refused(400, "the sender went away")
    except UploadConflictError as error:
        return _refused(409, str(error))
    except OutputError as error:
        return _refused(507, str(error))
    except GeoXmodalError as error:
        # what is refused once is refused again: nobody goes on with it
        await run_in_threadpool(uploads().remove, session, upload)
        return _refused(422, str(error))
    return _refused(404, "no such upload") if found is None else JSONResponse(_described(found))


async def _receive(request: Request, session: str, upload: str, offset: int) -> None:
    with uploads().writing(session, upload, offset) as write:
        gathered = bytearray()
        try:
            async for part in request.stream():
                gathered += part
                if len(gathered) >= _BUFFER:
                    await run_in_threadpool(write, bytes(gathered))
                    gathered.clear()
        except ClientDisconnect:
            write(bytes(gathered))
            raise
        await run_in_threadpool(write, bytes(gathered))


async def _remove(request: Request) -> Response:
    session, upload = _asked(request)
    if session:
        await run_in_threadpool(uploads().remove, session, upload)
    return Response(status_code=204)


def _asked(request: Request) -> tuple[str, str]:
    return request_session(request), request.path_params["upload"]


def _described(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "size": upload.size,
        "received": upload.received,
        "done": upload.path is not None,
        "slice": SLICE_BYTES,
    }


def _refused(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status_code=status)
