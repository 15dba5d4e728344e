"""One process, one port: pages, files by id, uploads and the browser's libraries."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from filelock import FileLock, Timeout

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import output_errors
from geo_xmodal_app.settings import VARIABLE, Settings
from geo_xmodal_app.theme import THEME

SCRIPT = Path(__file__).resolve().with_name("main.py")

STREAMLIT = {
    "server.fileWatcherType": "none",
    "server.enableXsrfProtection": True,
    "server.enableCORS": True,
    "server.enableStaticServing": False,
    "server.headless": True,
    "server.maxUploadSize": 1,
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showSidebarNavigation": False,
    "client.toolbarMode": "minimal",
    "global.developmentMode": False,
    "logger.level": "warning",
}
"""Options of Streamlit that the app rests on; they win over the operator's config.toml."""

_GRACE_SECONDS = 3
"""For requests that are under way when the server is stopped."""


def serve(settings: Settings, ready: Callable[[str], None], script: Path = SCRIPT) -> None:
    """Serve until stopped.

    Args:
        settings: Folders, address, quotas.
        ready: Told the address once pages are served.
        script: What Streamlit runs.

    Raises:
        UsageError: The port is taken, or another server uses the work folder.
        OutputError: The work folder cannot be written.
    """
    lock = _take(settings.work)
    try:
        with _listen(settings) as listening:
            port = listening.getsockname()[1]
            chosen = settings.model_copy(update={"port": port, "served": True})
            os.environ[VARIABLE] = chosen.model_dump_json()
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            shown = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
            _run(application(chosen, script, lambda: ready(f"http://{shown}:{port}")), listening)
    finally:
        lock.release()


def _run(app: Any, listening: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listening])


def application(settings: Settings, script: Path, ready: Callable[[], None]) -> Any:
    """The ASGI application: Streamlit's, with our routes, behind the guard."""
    # slow to import, and nothing here is needed before the port is known to be free
    import streamlit as st
    from starlette.middleware import Middleware
    from streamlit.web import bootstrap

    from geo_xmodal_app.accounts import Accounts
    from geo_xmodal_app.basemaps import own_basemap
    from geo_xmodal_app.guard import Guard, security_headers
    from geo_xmodal_app.jobs import queue
    from geo_xmodal_app.routes import routes

    address = {"server.address": settings.host, "server.port": settings.port}
    bootstrap.load_config_options({**STREAMLIT, **THEME, **address})

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        # Streamlit sets up the logs of uvicorn as it starts
        logging.getLogger("uvicorn.access").disabled = True
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        jobs = queue()
        jobs.start()
        ready()
        # the first page lists scenes, which imports the raster libraries: while the browser loads its scripts
        threading.Thread(target=gx.list_scenes, daemon=True).start()
        try:
            yield
        finally:
            jobs.stop()

    basemap = urlsplit(settings.basemap)
    images = [f"{basemap.scheme}://{basemap.netloc}"] if basemap.netloc else []
    page = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")

    @lru_cache(maxsize=64)
    def headers(own: str) -> Mapping[str, str]:
        return security_headers(images, page, own)

    def headers_of(session: str) -> Mapping[str, str]:
        named = own_basemap(session)
        return headers("" if named is None else named.origin)

    accounts = Accounts(settings.work, settings.user_header) if settings.user_header else None
    hosts = (settings.host, *settings.hosts)
    guard = Middleware(Guard, hosts=hosts, headers=headers_of, accounts=accounts)
    return st.App(script, lifespan=lifespan, routes=routes(), middleware=[guard])


def _take(work: Path) -> FileLock:
    """Two servers would start each other's jobs twice."""
    place = work / "server.lock"
    with output_errors(place):
        work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(
                f"{work}: another server uses this folder: stop it, or give --work another folder"
            ) from None
    return lock


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    if os.name != "nt":  # there it would let two servers share a port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(socket.SOMAXCONN)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {settings.port} is in use: give --port another number, or --port 0 for a free one"
            ) from None
        if error.errno == errno.EACCES:
            raise UsageError(
                f"port {settings.port} needs rights: give --port a number from 1024 up"
            ) from None
        raise UsageError(
            f"--host {settings.host}: {error.strerror or error}: give an address of this machine"
        ) from None
    return listening
