"""The server as a whole: `geo-xmodal serve`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from geo_xmodal_app.job_records import Record, read_records, write_record
from geo_xmodal_app.sessions import new_id
from tests import tiny
from tests.app.running import RunningServer
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(900)  # real commands, on machines that do much else


def run_serve(*options: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "geo_xmodal.cli", "serve", *options],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def test_the_first_page_comes_without_pytorch_and_ctrl_c_ends_it_well(
    serve: Callable[..., RunningServer],
) -> None:
    running = serve()
    assert running.ask("GET", "/", headers={"Accept": "text/html"}).status == 200
    libraries = {Path(one.path).name for one in psutil.Process(running.process.pid).memory_maps()}
    assert not [name for name in libraries if name.startswith("libtorch")]
    assert running.stop(signal.SIGINT) == 0
    assert running.errors == []


def test_it_listens_to_this_machine_alone(server: RunningServer) -> None:
    listening = [
        one.laddr.ip for one in psutil.Process(server.process.pid).net_connections() if one.status == "LISTEN"
    ]
    assert listening == ["127.0.0.1"]


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run_serve("--port", str(port), "--work", str(tmp_path))
    assert done.returncode == 2
    assert (
        done.stderr
        == f"error: port {port} is in use: give --port another number, or --port 0 for a free one\n"
    )


def test_a_work_folder_that_is_taken(serve: Callable[..., RunningServer]) -> None:
    running = serve()
    done = run_serve("--port", "0", "--work", str(running.work))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {running.work}: another server uses this folder")
    assert len(done.stderr.splitlines()) == 1
    running.stop(signal.SIGKILL)
    assert serve().ask("GET", "/_stcore/health").status == 200


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--host", "203.0.113.1"], "give an address of this machine"),
        (["--data", "/no/such/folder"], "no such folder"),
        (["--work", "/proc/nothing"], "cannot write"),
        (["--port", "99999"], "--port"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: list[str], why: str) -> None:
    work = [] if "--work" in options else ["--work", str(tmp_path)]
    done = run_serve("--port", "0", *work, *options)
    assert done.returncode == 2
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_streamlit_it_says_what_to_install(tmp_path: Path) -> None:
    """A folder before the installed ones hides streamlit."""
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'streamlit' else find(name, *a)\n"
    )
    done = run_serve("--work", str(tmp_path / "work"), environment={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (
        2,
        "error: the web app needs streamlit: pip install 'geo_xmodal[app]'\n",
    )


def test_a_job_outlives_a_killed_server(serve: Callable[..., RunningServer], tmp_path: Path) -> None:
    scene, work, session = tiny.write_scene(tmp_path / "tiny"), tmp_path / "work", new_id()
    argv = (
        "train", f"--scene={scene}", f"--out={tmp_path / 'run'}", "--method=hgr", "--epochs=5000",
        "--set=unlabelled=300",
    )  # fmt: skip
    asked = Record(
        id=new_id(), session=session, title="long", argv=argv, folder=tmp_path / "run", state="queued",
        created=time.time(), turn=time.time(),
    )  # fmt: skip
    write_record(work, asked)

    def record() -> Record:
        return read_records(work)[0]

    running = serve()
    wait_until(lambda: record().state == "running" and (tmp_path / "run" / "log.jsonl").exists())
    running.stop(signal.SIGKILL)
    pid = record().pid
    assert pid is not None
    rows = (tmp_path / "run" / "log.jsonl").stat().st_size
    wait_until(lambda: (tmp_path / "run" / "log.jsonl").stat().st_size > rows)
    again = serve()
    time.sleep(1.5)
    assert (record().state, record().pid) == ("running", pid)
    assert again.stop(signal.SIGINT) == 0
    assert record().state == "interrupted"
    assert record().resumable
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
