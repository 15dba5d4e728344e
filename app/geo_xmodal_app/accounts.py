"""Accounts: the session of a user whom a reverse proxy names, the same in every browser.

A header is believed only where the operator says that a proxy sets it; whoever reaches the port past the
proxy could name anybody.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from starlette.datastructures import Headers

from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import output_errors

MAX_NAME = 200
_FILE = "accounts.key"
_BYTES = 32


class Accounts:
    """The sessions of users by their names.

    Args:
        work: The work folder, which holds a secret: names alone lead to no session.
        header: The header that the proxy sets.

    Raises:
        OutputError: The secret cannot be written.
        UsageError: The secret is damaged.
    """

    def __init__(self, work: Path, header: str) -> None:
        self._header = header
        self._secret = _secret(work / _FILE)

    def session(self, headers: Headers) -> str | None:
        """The session of the user whom a request names; None where it does not name exactly one."""
        named = headers.getlist(self._header)
        if len(named) != 1 or not named[0].strip() or len(named[0]) > MAX_NAME:
            return None
        return hmac.new(self._secret, named[0].strip().encode(), hashlib.sha256).hexdigest()[:32]


def _secret(place: Path) -> bytes:
    with output_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_BYTES))
        except FileExistsError:
            pass
        found = place.read_bytes()
    if len(found) != _BYTES:
        raise UsageError(f"{place}: {len(found)} bytes, expected {_BYTES}: restore it from a backup")
    return found
