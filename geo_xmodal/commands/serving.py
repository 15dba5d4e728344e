"""`serve`: the web app."""

from __future__ import annotations

import importlib.util
import os
import re
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from geo_xmodal.commands.console import Console
from geo_xmodal.commands.options import Json
from geo_xmodal.errors import UsageError

_GIB = 1 << 30
_NEEDED = ("streamlit", "filelock", "psutil", "geo_xmodal_app")


def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8501,
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than 127.0.0.1 lets others in.")
    ] = "127.0.0.1",
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="A folder from which people may pick files (again for more)."),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Where uploads, runs and maps lie (default: ~/.geo_xmodal/app).")
    ] = None,
    proxy_name: Annotated[
        list[str] | None,
        typer.Option("--proxy-name", help="A name under which a reverse proxy is reached (again for more)."),
    ] = None,
    user_header: Annotated[
        str,
        typer.Option(help="Header in which the reverse proxy, and it alone, names the user who asks."),
    ] = "",
    upload_gib: Annotated[float, typer.Option(min=0.001, help="Largest upload, in GiB.")] = 20,
    session_gib: Annotated[float, typer.Option(min=0.001, help="All files of one session, in GiB.")] = 50,
    total_gib: Annotated[float, typer.Option(min=0.001, help="All files of all sessions, in GiB.")] = 200,
    jobs: Annotated[int, typer.Option(min=1, help="Jobs that run at once.")] = 1,
    days: Annotated[float, typer.Option(min=0.01, help="Days after which unused files are removed.")] = 14,
    basemap: Annotated[
        str | None,
        typer.Option(help="Map tiles for browsers with internet, with {z}, {x}, {y}; '' for none."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    json: Json = False,
) -> None:
    """Serve the web app, until Ctrl-C."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"the web app needs {missing[0]}: pip install 'geo_xmodal[app]'")
    # an extra: only this command needs it
    from geo_xmodal_app.server import serve as serve_app
    from geo_xmodal_app.settings import Settings

    for folder in data or []:
        if not folder.expanduser().is_dir():
            raise UsageError(f"--data {folder}: no such folder")
    if not re.fullmatch(r"[A-Za-z0-9-]{0,64}", user_header):
        raise UsageError(f"--user-header {user_header[:80]!r}: give a name of a header, as X-Forwarded-User")
    given = {
        "user_header": user_header,
        "work": work, "data": data or (), "host": host, "port": port, "hosts": proxy_name or (), "days": days,
        "upload_bytes": int(upload_gib * _GIB), "session_bytes": int(session_gib * _GIB),
        "total_bytes": int(total_gib * _GIB), "slots": jobs, "basemap": basemap,
    }  # fmt: skip
    settings = Settings.model_validate({name: value for name, value in given.items() if value is not None})

    def ready(address: str) -> None:
        console = Console(json)
        words = f"the web app: {address} (Ctrl-C stops it)"
        console.result({"url": address, "pid": os.getpid(), "work": settings.work}, words)
        if open_:
            # a browser that is slow to start must not keep the first page waiting
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    with suppress(KeyboardInterrupt):  # how a server is stopped
        serve_app(settings, ready)
