"""Who asks: a random id in a cookie that scripts cannot read; a second tab and a reload share it."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

import streamlit as st

from geo_xmodal.errors import UsageError
from geo_xmodal_app.settings import settings

COOKIE = "gx_session"
LOCAL = "local"
"""The session of a script that no server runs (AppTest); no cookie can claim it."""

_ID = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """128 random bits, as 32 hexadecimal digits: of a session, a file, an upload, a job."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether `text` could come from `new_id`."""
    return _ID.fullmatch(text) is not None


def current_session() -> str:
    """The session of the page that is being made.

    Raises:
        UsageError: The browser keeps no cookies.
    """
    if not settings().served:
        return LOCAL
    found = st.context.cookies.get(COOKIE, "")
    if is_id(found):
        with suppress(OSError):  # it has no files yet
            os.utime(session_path(settings().work, found))  # nothing of a session at work is swept away
        return found
    raise UsageError("your browser keeps no cookies for this address: allow them and load the page again")


def sessions_path(work: Path) -> Path:
    """Where the folders of all sessions lie."""
    return work / "sessions"


def session_path(work: Path, session: str) -> Path:
    """Where the files of a session lie, there or not."""
    return sessions_path(work) / session


def session_folder(session: str, *parts: str, make: bool = True) -> Path:
    """A folder of this session's own, made if it is not there: `session_folder(session, "scenes", name)`.

    What lies in `session_folder(session, ROOM, ITEM)` is removed as one when nobody used it for
    `settings().days` days.

    Raises:
        UsageError: `session` or a part is not a plain name.
    """
    if not (session == LOCAL or is_id(session)):
        raise UsageError("no such session")
    for part in parts:
        if not re.fullmatch(r"[\w][\w.\- ]{0,99}", part):
            raise UsageError(f"{part!r} is no name for a folder: use letters, digits, '-', '_' and '.'")
    folder = session_path(settings().work, session).joinpath(*parts)
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    return folder
