"""A session's own basemap: an address of map tiles that its browser asks, and this server never does.

The page's content security policy names the address's origin, for this session alone.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import write_text
from geo_xmodal.small_files import SmallFile, first_problem, read_json_object
from geo_xmodal_app.sessions import is_id, session_folder, session_path
from geo_xmodal_app.settings import settings

MAX_BYTES = 8192
"""Of an address that a browser sends."""

_FILE = "basemap.json"
_KEPT = SmallFile("an own basemap", UsageError, "name it again", MAX_BYTES)
_ADDRESS = re.compile(r"[!-~]+", re.ASCII)
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?", re.ASCII)
_PLACES = ("{z}", "{x}")


class OwnBasemap(BaseModel):
    """Map tiles of a server that somebody named.

    Attributes:
        kind: `xyz`, tiles by zoom, column and row; `wms`, pictures of a Web Map Service 1.3.0 in EPSG:3857.
        address: http or https; of XYZ with `{z}`, `{x}` and `{y}` (`{-y}` counts rows from below).
        layers: Of a WMS, separated by commas.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["xyz", "wms"]
    address: str = Field(max_length=1000)
    layers: str = Field(default="", max_length=500)

    @model_validator(mode="after")
    def _check(self) -> OwnBasemap:
        if not _ADDRESS.fullmatch(self.address):
            raise ValueError("an address of letters, digits and signs without spaces: copy it whole")
        _origin(self.address)
        if self.kind == "xyz":
            missing = [part for part in _PLACES if part not in self.address]
            if missing or not ("{y}" in self.address or "{-y}" in self.address):
                raise ValueError(
                    "expected {z}, {x} and {y} in the address of XYZ tiles, as in "
                    "https://tiles.example.org/{z}/{x}/{y}.png"
                )
        elif not self.layers or not self.layers.isprintable():
            raise ValueError("a WMS needs the names of its layers: its capabilities list them")
        return self

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a content security policy has them."""
        return _origin(self.address)

    def for_browser(self) -> dict[str, str]:
        """What the viewer has to know."""
        return {**self.model_dump(), "host": urlsplit(self.address).netloc}


def _origin(address: str) -> str:
    """Of letters that cannot end a directive of a policy.

    Raises:
        ValueError: It is no address of a server on the web.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):
        raise ValueError("expected an address that begins with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("a name and a password in the address would be sent to everybody: leave them out")
    host, port = parts.hostname or "", parts.port  # a ValueError of its own where it is no number
    if ":" in host:
        host = f"[{ipaddress.IPv6Address(host)}]"
    elif not _NAME.fullmatch(host):
        raise ValueError(f"{host[:60]!r} is no name of a server: write one name, without {{s}}")
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}"


def own_basemap(session: str) -> OwnBasemap | None:
    """What the session's user named, if anything; a damaged file is nothing."""
    if not is_id(session):
        return None
    try:
        return OwnBasemap.model_validate(read_json_object(_place(session), _KEPT))
    except (UsageError, ValidationError):
        return None


def keep_basemap(session: str, body: bytes) -> None:
    """Keep what a browser sent as JSON.

    Raises:
        UsageError: It is no address of map tiles.
        OutputError: It cannot be written.
    """
    try:
        wanted = OwnBasemap.model_validate_json(body)
    except ValidationError as error:
        raise UsageError(first_problem(error)) from None
    session_folder(session)
    write_text(_place(session), wanted.model_dump_json() + "\n")


def forget_basemap(session: str) -> None:
    """The session has none any more."""
    _place(session).unlink(missing_ok=True)


def _place(session: str) -> Path:
    return session_path(settings().work, session) / _FILE
