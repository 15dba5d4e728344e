from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle
from geo_xmodal.mapping import map_scene
from geo_xmodal.mapping.pools import computed
from geo_xmodal.raster.reader import AlignedReader
from geo_xmodal.types import Window, windows_over
from tests.mapping.conftest import WriteInput, scene_values, with_holes
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def reader(write_input: WriteInput) -> AlignedReader:
    return write_input(with_holes(scene_values((300, 420))))


def workers_of(parent: int) -> set[psutil.Process]:
    """Worker processes below a process."""
    found = set()
    for child in psutil.Process(parent).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child)
    return found


def test_model_is_loaded_once_for_all_threads(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []
    load = bundle.load

    def noted(folder: Path) -> Bundle:
        loaded.append(folder)
        return load(folder)

    monkeypatch.setattr(bundle, "load", noted)
    map_scene(cnn_folder, reader, tmp_path / "map.tif", window=64, threads=4, engine="torch")
    assert len(loaded) == 2  # once to see whether it fits, once to compute


class GrowingPool:
    """One slot at first, four after the third window."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.executor = executor
        self.submitted: list[int] = []

    def slots(self) -> int:
        return 4 if len(self.submitted) > 3 else 1

    def submit(self, window: Window) -> Future[bytes]:
        self.submitted.append(window.row)
        return self.executor.submit(lambda: str(window.row).encode())


def test_windows_in_flight_follow_the_slots() -> None:
    windows = list(enumerate(windows_over(40, 1, 1)))
    flying: list[int] = []
    with ThreadPoolExecutor(1) as executor:
        pool = GrowingPool(executor)
        for done, (index, payload) in enumerate(computed(pool, windows)):
            assert payload == str(index).encode()
            flying.append(len(pool.submitted) - done)
    assert sorted(pool.submitted) == list(range(40))
    assert max(flying[:2]) == 2 and max(flying) == 8


@pytest.mark.heavy
def test_killed_local_worker_is_replaced(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    here = map_scene(cnn_folder, reader, tmp_path / "here.tif", window=64, engine="torch")
    window = random.randint(1, 30)
    killed: list[psutil.Process] = []

    def kill(done: int, total: int, message: str) -> None:
        if done == window:
            killed.append(random.choice(list(workers_of(os.getpid()))))
            killed[0].kill()
            wait_until(lambda: len(workers_of(os.getpid()) - set(killed)) == 2)

    there = map_scene(
        cnn_folder, reader, tmp_path / "map.tif", window=64, engine="torch", workers=2, progress=kill
    )
    assert there.out.read_bytes() == here.out.read_bytes()
    assert len(killed) == 1 and not workers_of(os.getpid())


SLOW_MAP = """
    import sys
    from pathlib import Path
    from geo_xmodal.mapping import map_scene
    from geo_xmodal.raster.reader import aligned_reader

    if __name__ == "__main__":
        folder = Path(sys.argv[1])

        def progress(done, total, message):
            print(done, flush=True)
            sys.stdin.readline()

        reader = aligned_reader(folder / "input.tif", kind="sar")
        try:
            out = folder / "cut" / "map.tif"
            map_scene(folder / "model", reader, out, window=64, engine="torch", workers=2, progress=progress)
        except KeyboardInterrupt as stopped:
            print(stopped)
"""


@contextmanager
def slow_map(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that maps with two workers, window by window as it is told to, and the first it has done."""
    (folder / "slow.py").write_text(textwrap.dedent(SLOW_MAP))
    child = subprocess.Popen(
        [sys.executable, str(folder / "slow.py"), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        for _ in range(random.randint(1, 20)):
            assert child.stdout.readline()
            child.stdin.write("\n")
            child.stdin.flush()
        assert child.stdout.readline()
        yield child
    finally:
        child.kill()
        child.communicate()


@pytest.mark.heavy
def test_killed_map_leaves_no_worker_behind(cnn_folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    with slow_map(tmp_path) as child:
        workers = psutil.Process(child.pid).children(recursive=True)
        assert len(workers_of(child.pid)) == 2
        child.send_signal(signal.SIGKILL)
        assert not psutil.wait_procs(workers, 120)[1]
    out = tmp_path / "cut" / "map.tif"
    result = map_scene(cnn_folder, reader, out, window=64, engine="torch", resume=True)
    whole = map_scene(cnn_folder, reader, tmp_path / "whole.tif", window=64, engine="torch").out
    assert result.resumed >= 2
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.heavy
def test_interrupted_map_ends_its_workers_in_one_line(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    """As Ctrl-C in a terminal does: the signal reaches the workers as well."""
    with slow_map(tmp_path) as child:
        workers = psutil.Process(child.pid).children(recursive=True)
        os.killpg(child.pid, signal.SIGINT)
        output, errors = child.communicate(timeout=200)
        assert not psutil.wait_procs(workers, 120)[1]
    assert "windows are kept: the same command with 'resume' goes on" in output.splitlines()[-1]
    assert errors == ""
