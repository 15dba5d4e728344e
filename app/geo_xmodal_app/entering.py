"""The way back to a session: `/enter` takes a key, asked for on a page of its own, and gives the cookie.

A link alone changes nothing: what comes from another site must not put anybody into a session.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from geo_xmodal_app.answers import read_body
from geo_xmodal_app.guard import session_cookie
from geo_xmodal_app.keys import is_key, session_of

_MAX_BYTES = 1024
_PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>geo_xmodal: way back</title>
<meta name="viewport" content="width=device-width"><style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 34rem; margin: 15vh auto; padding: 0 1rem; }}
input, button {{ font: inherit; padding: .4rem .6rem; }} input {{ width: 100%; box-sizing: border-box; }}
</style></head><body><h1>Way back to your files</h1>
<p>This browser will then work with the files that the key belongs to. What it works with now stays on the
server: make a key to that first, on the page Project, if you want to come back to it.</p>
<form method="post" action="/enter"><p><label>Personal key
<input name="key" value="{key}" autocomplete="off" spellcheck="false" required></label></p>
<p><button>Open these files</button></p></form></body></html>
"""


def entering_routes() -> list[BaseRoute]:
    """The routes of keys."""
    return [
        Route("/enter", _ask, methods=["GET"]),
        Route("/enter/{key}", _ask, methods=["GET"]),
        Route("/enter", _enter, methods=["POST"]),
    ]


async def _ask(request: Request) -> Response:
    key = request.path_params.get("key", "")
    return HTMLResponse(_PAGE.format(key=key if is_key(key) else ""), headers=_PRIVATE)


async def _enter(request: Request) -> Response:
    body = await read_body(request, _MAX_BYTES)
    given = parse_qs((body or b"").decode("utf-8", "replace")).get("key", [""])[0].strip()
    session = await run_in_threadpool(session_of, given.rpartition("/")[2])  # the whole link may be given
    if session is None:
        words = "this key leads nowhere: it is cut off, or a newer one was made\n"
        return PlainTextResponse(words, status_code=403, headers=_PRIVATE)
    answer = RedirectResponse("/", status_code=303, headers=_PRIVATE)
    answer.headers["set-cookie"] = session_cookie(session, request.headers)
    return answer
