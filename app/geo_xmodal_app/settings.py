"""What the operator decides: folders, quotas, how long files are kept.

The process that serves takes them from the environment variable `GEO_XMODAL_APP`, a JSON object, so that
pages, routes and the scripts of Streamlit's runtime see the same.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from geo_xmodal.errors import UsageError
from geo_xmodal.small_files import real_path

VARIABLE = "GEO_XMODAL_APP"
GIB = 1 << 30


class Settings(BaseModel):
    """Settings of one server.

    Attributes:
        work: Where everything lies that the app writes; one server a folder.
        data: Folders from which people may pick files; read only, sub-folders included.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        hosts: Names under which a reverse proxy is reached; an address and `localhost` always pass.
        upload_bytes: Largest upload.
        session_bytes: All files of one session.
        total_bytes: All files of all sessions.
        slots: Jobs that run at once.
        session_jobs: Jobs of one session that wait or run.
        days: Days after which what nobody used is removed.
        served: Whether a server runs the pages, so that a session comes by cookie alone.
        user_header: Header in which a reverse proxy names users, each with a session of their own;
            empty: a session comes by cookie, and no header is believed.
        basemap: Address of map tiles with `{z}`, `{x}`, `{y}`, for browsers with internet; empty for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    work: Path = Path.home() / ".geo_xmodal" / "app"
    data: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = Field(8501, ge=0, le=65535)
    hosts: tuple[str, ...] = ()
    upload_bytes: int = Field(20 * GIB, gt=0)
    session_bytes: int = Field(50 * GIB, gt=0)
    total_bytes: int = Field(200 * GIB, gt=0)
    slots: int = Field(1, ge=1)
    session_jobs: int = Field(20, ge=1)
    days: float = Field(14, gt=0)
    served: bool = False
    user_header: str = Field("", pattern=r"^[A-Za-z0-9-]{0,64}$")
    basemap: str = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"

    @field_validator("work", "data")
    @classmethod
    def _absolute(cls, value: Path | tuple[Path, ...]) -> Path | tuple[Path, ...]:
        if isinstance(value, Path):
            return real_path(value.expanduser())
        return tuple(real_path(path.expanduser()) for path in value)


def settings() -> Settings:
    """The settings of this process.

    Raises:
        UsageError: `GEO_XMODAL_APP` holds no settings.
    """
    return _parsed(os.environ.get(VARIABLE, "{}"))


@lru_cache(maxsize=8)
def _parsed(text: str) -> Settings:
    try:
        return Settings.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise UsageError(f"{VARIABLE}: {where}: {first['msg']}, found {first['input']!r}") from None
