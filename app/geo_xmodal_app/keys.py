"""Ways back to a session whose cookie is lost: a key that is shown once, of which only a digest is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path

from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import write_json
from geo_xmodal.small_files import SmallFile, read_json_object
from geo_xmodal_app.sessions import is_id
from geo_xmodal_app.settings import settings

_BYTES = 24
_KEY = re.compile(r"[\w-]{32}", re.ASCII)
_KEPT = SmallFile("a key", UsageError, "make another", 4096)


def new_key(session: str) -> str:
    """A key to a session; the one before leads nowhere from now on.

    Raises:
        OutputError: It cannot be written.
    """
    forget_key(session)
    key = secrets.token_urlsafe(_BYTES)
    _folder().mkdir(parents=True, exist_ok=True)
    write_json(_place(key), {"session": session})
    return key


def has_key(session: str) -> bool:
    """Whether a key leads to the session."""
    return any(True for _ in _keys_to(session))


def forget_key(session: str) -> None:
    """No key leads to the session any more."""
    for place in _keys_to(session):
        place.unlink(missing_ok=True)


def is_key(text: str) -> bool:
    """Whether `text` could come from `new_key`."""
    return _KEY.fullmatch(text) is not None


def session_of(key: str) -> str | None:
    """The session that a key leads to, if any."""
    return _session_in(_place(key)) if is_key(key) else None


def _keys_to(session: str) -> list[Path]:
    return [place for place in _folder().glob("*.json") if _session_in(place) == session]


def _session_in(place: Path) -> str | None:
    try:
        found = read_json_object(place, _KEPT).get("session")
    except UsageError:
        return None
    return found if isinstance(found, str) and is_id(found) else None


def _folder() -> Path:
    return settings().work / "keys"


def _place(key: str) -> Path:
    return _folder() / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
