"""What routes answer a browser in JSON, and how much they read of what it sends."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from geo_xmodal_app.texts import plain


def refused(status: int, why: str) -> Response:
    """A refusal in one line, which the browser shows."""
    return JSONResponse({"problem": plain(why)}, status_code=status)


async def read_body(request: Request, most: int) -> bytes | None:
    """What was sent; None where it is more than `most` bytes, of which no more are read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most:
            return None
    return body
