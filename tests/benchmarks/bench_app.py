"""Times the web app's server: first page, memory while a large file is uploaded, ranges for many viewers.

python -m tests.benchmarks.bench_app start
python -m tests.benchmarks.bench_app upload --gib 2
python -m tests.benchmarks.bench_app ranges --viewers 8 --seconds 10
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil

from geo_xmodal_app.registry import Registry
from geo_xmodal_app.sessions import session_path
from tests.app.running import COOKIE, RunningServer, start_server

MIB, GIB = 1 << 20, 1 << 30
FILE_BYTES = 256 * MIB
RANGE_BYTES = (4 << 10, 64 << 10, 256 << 10)
"""A header, a tile, a few tiles: what a viewer asks for."""


@contextmanager
def running() -> Iterator[RunningServer]:
    """A server on an empty work folder."""
    with tempfile.TemporaryDirectory() as work:
        server = start_server(Path(work))
        try:
            yield server
        finally:
            server.stop()


def bench_start() -> dict[str, Any]:
    """Seconds from the start of the process to the first page: its HTML, and its heading in Chromium."""
    began = time.perf_counter()
    with running() as server:
        server.ask("GET", "/", headers={"Accept": "text/html"})
        found: dict[str, Any] = {"html_seconds": time.perf_counter() - began}
        program = shutil.which("chromium")
        if program is None:
            return found
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            opened = browser.new_page()
            asked = time.perf_counter()
            opened.goto(server.url)
            opened.get_by_role("heading").first.wait_for(timeout=60_000)
            found["heading_seconds"] = found["html_seconds"] + time.perf_counter() - asked
            browser.close()
    return found


def bench_upload(gib: float) -> dict[str, Any]:
    """Largest resident memory of the server while a file of `gib` is uploaded, and the pace."""
    size = int(gib * GIB)
    with running() as server, watched(server.process.pid) as memory:
        session = server.new_session()
        body = json.dumps({"name": "large.tif", "size": size, "purpose": "raster"}).encode()
        begun = server.ask("POST", "/upload", session=session, body=body).json()
        before, began = memory[-1], time.perf_counter()
        state, content = begun, b"II*\0" + random.Random(0).randbytes(begun["slice"] - 4)
        while not state["done"]:
            part = content[: size - state["received"]]
            headers = {"Upload-Offset": str(state["received"])}
            path = f"/upload/{begun['id']}"
            state = server.ask("PATCH", path, session=session, body=part, headers=headers).json()
        seconds = time.perf_counter() - began
    return {
        "gib": gib,
        "seconds": seconds,
        "mib_per_second": size / MIB / seconds,
        "memory_before_mib": before / MIB,
        "memory_most_mib": max(memory) / MIB,
    }


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """Resident bytes of a process, twenty times a second."""
    process = psutil.Process(pid)
    found, stop = [process.memory_info().rss], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            found.append(process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def bench_ranges(viewers: int, seconds: float) -> dict[str, Any]:
    """Milliseconds that a range takes while `viewers` ask without pause."""
    with running() as server:
        session = server.new_session()
        path = session_path(server.work, session) / "maps" / "map" / "map.tif"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            for _ in range(FILE_BYTES // MIB):
                file.write(random.Random(0).randbytes(MIB))
        id_ = Registry(server.work).register(session, path, "raster")
        took: list[float] = []
        threads = [
            threading.Thread(target=ask_ranges, args=(server, session, id_, seed, seconds, took))
            for seed in range(viewers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    percent = statistics.quantiles(took, n=100)
    return {
        "viewers": viewers,
        "ranges": len(took),
        "ranges_per_second": len(took) / seconds,
        "median_ms": 1000 * percent[49],
        "p95_ms": 1000 * percent[94],
        "p99_ms": 1000 * percent[98],
    }


def ask_ranges(
    server: RunningServer, session: str, id_: str, seed: int, seconds: float, took: list[float]
) -> None:
    """One viewer: ranges at random places, over one connection."""
    chance = random.Random(seed)
    connection = HTTPConnection(*server.address, timeout=60)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        length = chance.choice(RANGE_BYTES)
        start = chance.randrange(FILE_BYTES - length)
        headers = {"Cookie": f"{COOKIE}={session}", "Range": f"bytes={start}-{start + length - 1}"}
        began = time.perf_counter()
        connection.request("GET", f"/files/{id_}", headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        took.append(time.perf_counter() - began)
        assert (answer.status, len(content)) == (206, length)
    connection.close()


def main() -> None:
    """Run one of the benchmarks, and print what it found as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("start")
    upload = parts.add_parser("upload")
    upload.add_argument("--gib", type=float, default=2.0)
    ranges = parts.add_parser("ranges")
    ranges.add_argument("--viewers", type=int, default=8)
    ranges.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    match chosen.part:
        case "start":
            found = bench_start()
        case "upload":
            found = bench_upload(chosen.gib)
        case _:
            found = bench_ranges(chosen.viewers, chosen.seconds)
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
