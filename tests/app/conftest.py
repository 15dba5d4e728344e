"""A running server, and pages of a browser that reach nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.running import RunningServer, start_server
from tests.app.script_runs import ScriptRuns

CHROMIUM = (
    "--no-sandbox",
    "--disable-background-networking",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-compositing",
)
"""No sandbox: tests may run as root. WebGL without a graphics card, which does not put pages together:
that takes the processor three times as long."""


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that all tests of the app share; every browser context is a session of its own."""
    running = start_server(tmp_path_factory.mktemp("work"))
    yield running
    running.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Starts servers of the test's own, on one work folder unless one is given: `serve("--jobs", "2")`."""
    started: list[RunningServer] = []

    def start(*options: str, work: Path | None = None) -> RunningServer:
        started.append(start_server(work or tmp_path / "work", *options))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture(scope="package")
def chromium(system_program: Callable[[str], str]) -> Iterator[Any]:
    """A headless Chromium, which ends with the tests of the app: it holds memory."""
    from playwright.sync_api import sync_playwright

    program = system_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM))
        yield browser
        browser.close()


@contextmanager
def guarded_pages(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens pages: `start(server)`; at the end, none may have asked for anything but that server."""
    outside: list[str] = []
    contexts: list[Any] = []

    def start(running: RunningServer, context: Any = None, **options: Any) -> Any:
        if context is None:
            context = chromium.new_context(**{"viewport": {"width": 1366, "height": 768}, **options})
            contexts.append(context)
            context.set_default_timeout(200_000)  # a busy machine is no fault
            context.route("**/*", lambda route: _inside(route, running, outside))
        page = context.new_page()
        page.script_runs = ScriptRuns(page)
        page.on("console", lambda message: _check_policy(message.text, outside))
        page.on("websocket", lambda socket: _check_socket(socket.url, running, outside))
        return page

    yield start
    for context in contexts:
        context.close()
    assert not outside, f"asked for other addresses than the server's: {outside}"


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens pages: `open_page(server)`; a test fails if one asks for anything but that server.

    `open_page(server, context=page.context)` opens a second tab of the same browser.
    """
    with guarded_pages(chromium) as start:
        yield start


@pytest.fixture(scope="module")
def shared_page(chromium: Any, server: RunningServer) -> Iterator[Any]:
    """A page, and with it a session, that the tests of a module share; each opens the address it needs."""
    with guarded_pages(chromium) as start:
        page = start(server)
        page.goto(server.url)
        yield page


@pytest.fixture
def page(open_page: Callable[..., Any], server: RunningServer) -> Any:
    """A page with the app's first page open."""
    opened = open_page(server)
    opened.goto(server.url)
    return opened


def _inside(route: Any, running: RunningServer, outside: list[str]) -> None:
    url = route.request.url
    if url.startswith((f"{running.url}/", "data:", "blob:")):
        route.continue_()
    else:
        outside.append(url)
        route.abort()


def _check_policy(message: str, outside: list[str]) -> None:
    """What the browser itself refuses to ask for never comes to `_inside`."""
    if "Content Security Policy" in message:
        outside.append(message)


def _check_socket(url: str, running: RunningServer, outside: list[str]) -> None:
    if not url.startswith(f"{running.url.replace('http', 'ws', 1)}/"):
        outside.append(url)
