"""The process of a command: streams that are closed, broken or full, and signals at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import geo_xmodal as gx
from geo_xmodal.training import TrainRequest
from tests import tiny
from tests.killing import REPOSITORY

pytestmark = pytest.mark.skipif(os.name != "posix", reason="closed streams and signals of POSIX")

PROGRAM = Path(sys.executable).parent / "geo-xmodal"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scene(tmp_path_factory.mktemp("scenes") / "tiny")


@pytest.fixture(scope="module")
def model(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "svm"
    gx.train_scene(gx.open_scene(scene), out, TrainRequest(method="svm"))
    return out


def program(*arguments: object, streams: str = "") -> subprocess.CompletedProcess[str]:
    """The command, with redirections of the shell's for its standard streams."""
    command = [sys.executable, "-m", "geo_xmodal.cli", *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", *command],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_map(path: Path) -> None:
    with gx.open_raster(path) as dataset:
        assert len(gx.read_legend(dataset)) == 3
        assert dataset.read(1).any()


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(streams: str, scene: Path) -> None:
    done = program("info", scene, "--json", streams=streams)
    assert done.returncode == 0 and done.stderr == ""
    assert bool(done.stdout) == (streams == "2>&-")


def test_nothing_is_printed_into_a_file_that_took_the_place_of_a_closed_stream(
    scene: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    done = program("map", "--model", model, "--scene", scene, "--out", out, streams="<&- >&- 2>&-")
    assert done.returncode == 0
    assert_map(out)


def test_a_reader_that_goes_away_is_no_error_and_files_are_whole(
    scene: Path, model: Path, tmp_path: Path
) -> None:
    away, ours = os.pipe()
    os.close(away)
    out = tmp_path / "map.tif"
    done = subprocess.run(
        [sys.executable, "-m", "geo_xmodal.map", "--model", model, "--scene", scene, "--out", out],
        env=ENVIRONMENT,
        stdout=ours,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(ours)
    assert done.returncode == 128 + signal.SIGPIPE
    assert "error" not in done.stderr.lower()
    assert_map(out)


def test_wrong_usage_stays_so_where_nobody_reads(tmp_path: Path) -> None:
    away, ours = os.pipe()
    os.close(away)
    command = [sys.executable, "-m", "geo_xmodal.cli", "info", str(tmp_path / "none")]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=ours, stderr=ours, check=False)
    os.close(ours)
    assert done.returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["scenes", "--json"]])
def test_an_output_that_is_full_is_named(arguments: Sequence[str]) -> None:
    done = program(*arguments, streams="> /dev/full")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: standard output: No space left on device: ")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    "start", [["-m", "geo_xmodal.cli", "map"], ["-m", "geo_xmodal.train"], [str(PROGRAM), "map"]]
)
def test_a_signal_while_libraries_are_imported(
    start: Sequence[str], number: signal.Signals, status: int, tmp_path: Path
) -> None:
    """A library of the program's sends the signal when it is imported, and is never done."""
    (tmp_path / "typer.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\nwhile True: pass\n")
    done = subprocess.run(
        [sys.executable, *start],
        env={**ENVIRONMENT, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (status, "stopped: nothing was written\n")


ENDING = """
import atexit, os, signal, sys
from geo_xmodal.commands import process

class Last:
    def __del__(self):  # when Python takes its modules apart
        kill(ours, signal_again)

kill, ours, signal_again = os.kill, os.getpid(), signal.SIGINT
process.begin()
last = Last()
atexit.register(kill, ours, signal.SIGTERM)
in_order = False
try:
    process.raise_signals()
    try:
        exec("kill(ours, signal.{name})\\nwhile True: pass")
    finally:
        kill(ours, signal.SIGINT)
        kill(ours, signal.SIGTERM)
        in_order = True
except KeyboardInterrupt:
    process.ignore_signals()
sys.exit(process.stopped_status() if in_order else 1)
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_further_signals_disturb_no_end(name: str, status: int, tmp_path: Path) -> None:
    """Also where the first one met a class that was being made, by `exec`, in the program of `python -m`."""
    (tmp_path / "ending.py").write_text(ENDING.replace("{name}", name))
    done = subprocess.run(
        [sys.executable, "-m", "ending"],
        env={**ENVIRONMENT, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize("spare", [1, 3])
def test_too_few_files_that_may_be_open_are_one_line(
    spare: int, scene: Path, model: Path, tmp_path: Path
) -> None:
    code = (
        "import os, resource, sys, typer, geo_xmodal.commands.app;"
        "number = os.open(os.devnull, os.O_RDONLY); os.close(number);"
        "from geo_xmodal.commands import process; process.begin();"
        f"limit = number + 1 + {spare}; resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit));"
        "sys.exit(geo_xmodal.commands.app.run_alone(sys.argv[1:]))"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "map",
        "--model",
        model,
        "--scene",
        scene,
        "--out",
        tmp_path / "map.tif",
    ]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        assert done.returncode == 2, done.stderr
        assert "Too many open files" in done.stderr.splitlines()[-1]
        assert "damaged" not in done.stderr and "Traceback" not in done.stderr
