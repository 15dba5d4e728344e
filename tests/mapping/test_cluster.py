from __future__ import annotations

import dataclasses
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from distributed import Client
from odc.geo.geobox import GeoBox

from geo_xmodal import bundle
from geo_xmodal.errors import ClusterError
from geo_xmodal.mapping import map_scene
from geo_xmodal.raster.reader import AlignedReader, aligned_reader
from geo_xmodal.types import FloatArray, Window
from tests import rasters
from tests.mapping.conftest import card_of, random_model, scene_values, with_holes
from tests.waiting import wait_until

pytestmark = pytest.mark.heavy

REPOSITORY = Path(__file__).parents[2]
DASK = str(Path(sys.executable).with_name("dask"))
WINDOWS = 35
"""Of 64 x 64 pixels over 300 x 420."""


@contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program with Python's path set to this checkout, killed at the end with all that it started."""
    path = os.pathsep.join(filter(None, [environment.pop("PYTHONPATH", ""), str(REPOSITORY)]))
    child = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **environment},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@dataclass(frozen=True)
class Cluster:
    """A scheduler on the command line, as docs/cluster.md says, and its file."""

    file: Path
    scheduler: subprocess.Popen[bytes]
    client: Any

    def workers(self) -> dict[str, int]:
        """Address and process of every worker."""
        found: dict[str, int] = self.client.run(os.getpid, on_error="ignore")
        return found

    def tasks(self) -> int:
        """What the scheduler holds of all maps; its client's own wishes included."""
        count: int = self.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        return count

    @contextmanager
    def worker(self, *before_it: str, nanny: bool = False, **environment: str) -> Iterator[None]:
        """One more worker, once it is there; with a nanny it is replaced when it dies."""
        before = len(self.workers())
        command = [DASK, "worker", "--scheduler-file", str(self.file), "--nthreads", "1", "--no-dashboard"]
        command += ["--nanny" if nanny else "--no-nanny", "--local-directory", str(self.file.parent)]
        with process(*before_it, *command, **environment):
            wait_until(lambda: len(self.workers()) > before)
            yield


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    file = folder / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    failures = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with process(DASK, "scheduler", *options, **failures) as scheduler:
        wait_until(file.is_file)
        with Client(scheduler_file=str(file), set_as_default=False) as client:  # type: ignore[no-untyped-call]
            yield Cluster(file, scheduler, client)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers."""
    with ExitStack() as stack:
        cluster = stack.enter_context(started(tmp_path_factory.mktemp("cluster")))
        stack.enter_context(cluster.worker(nanny=True))
        stack.enter_context(cluster.worker(nanny=True))
        yield cluster


@dataclass(frozen=True)
class Work:
    """A model, an input, and the bytes of its map when one process makes it."""

    model: Path
    reader: AlignedReader
    expected: bytes

    def map(self, out: Path, **options: Any) -> bytes:
        """The bytes of the map."""
        reader = options.pop("reader", self.reader)
        options = {"window": 64, "engine": "torch", **options}
        return map_scene(self.model, reader, out, **options).out.read_bytes()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("work")
    model = random_model()
    bundle.save(folder / "model", model, card_of(model, (1, 2, 5, 9)))
    grid = GeoBox((300, 420), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633")
    tiles = {"blockxsize": 128, "blockysize": 128}
    path = rasters.write_raster(
        folder / "input.tif", with_holes(scene_values((300, 420))), grid, nodata=np.nan, **tiles
    )
    reader = aligned_reader(path, kind="sar")
    whole = map_scene(folder / "model", reader, folder / "map.tif", window=64, engine="torch").out
    return Work(folder / "model", reader, whole.read_bytes())


def at(window: int, action: Callable[[], None]) -> Callable[[int, int, str], None]:
    """Do something once when so many windows are done."""

    def progress(done: int, total: int, message: str) -> None:
        assert total == WINDOWS
        if done == window:
            action()

    return progress


def interrupt() -> None:
    raise KeyboardInterrupt


def test_workers_from_the_command_line_give_the_same_bytes(
    cluster: Cluster, work: Work, tmp_path: Path
) -> None:
    address = cluster.client.scheduler.address
    assert work.map(tmp_path / "address.tif", scheduler=address) == work.expected
    assert work.map(tmp_path / "file.tif", scheduler=str(cluster.file)) == work.expected
    wait_until(lambda: cluster.tasks() == 0)


def test_killed_worker_is_replaced_and_its_windows_done_again(
    cluster: Cluster, work: Work, tmp_path: Path
) -> None:
    before = cluster.workers()
    victim = random.choice(list(before.values()))

    def kill() -> None:
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(cluster.workers()) == 2 and victim not in cluster.workers().values())

    window = random.randint(1, WINDOWS - 10)
    progress = at(window, kill)
    assert work.map(tmp_path / "map.tif", scheduler=str(cluster.file), progress=progress) == work.expected


def test_interrupted_map_leaves_the_scheduler_clean_and_goes_on_without_it(
    cluster: Cluster, work: Work, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    held: list[int] = []

    def stop() -> None:
        held.append(cluster.tasks())
        interrupt()

    with pytest.raises(KeyboardInterrupt, match="stopped: 10 of 35 windows are kept"):
        work.map(out, scheduler=str(cluster.file), progress=at(10, stop))
    assert 0 < held[0] <= 6  # four windows in flight, what they share, and one being handed over
    wait_until(lambda: cluster.tasks() == 0)
    assert work.map(out, resume=True) == work.expected


@dataclasses.dataclass(frozen=True, kw_only=True)
class Following(AlignedReader):
    """A reader that does something besides, in the worker."""

    notes: Path
    deadly: bool = False
    pause: float = 0.0
    home: int = dataclasses.field(default_factory=os.getpid)

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        if os.getpid() != self.home:
            if self.deadly and (window.row, window.col) == (64, 128):
                os.kill(os.getpid(), signal.SIGKILL)
            (self.notes / str(os.getpid())).touch()
            time.sleep(self.pause)
        return super().read(window, margin)


def test_window_that_kills_its_workers_is_one_line(cluster: Cluster, work: Work, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    reader = Following(**vars(work.reader), notes=tmp_path / "notes", deadly=True)
    with pytest.raises(ClusterError) as caught:
        work.map(tmp_path / "map.tif", scheduler=str(cluster.file), reader=reader)
    line = r"2 workers died, .* while they had the window at row \d+, .*; \d+ of 35 windows are kept: .*"
    assert re.fullmatch(line, str(caught.value))
    wait_until(lambda: len(cluster.workers()) == 2)


def test_workers_that_come_later_are_used(cluster: Cluster, work: Work, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    before = set(cluster.workers().values())
    later: set[int] = set()
    with ExitStack() as stack:

        def come() -> None:
            stack.enter_context(cluster.worker())
            later.update(set(cluster.workers().values()) - before)

        reader = Following(**vars(work.reader), notes=tmp_path / "notes", pause=0.4)
        work.map(tmp_path / "map.tif", scheduler=str(cluster.file), reader=reader, progress=at(5, come))
    assert len(later) == 1
    assert {int(path.name) for path in (tmp_path / "notes").iterdir()} >= later
    wait_until(lambda: len(cluster.workers()) == 2)


def test_scheduler_that_goes_away_is_one_line_and_another_cluster_goes_on(
    cluster: Cluster, work: Work, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.tif"
    window = random.randint(1, WINDOWS - 10)
    with started(tmp_path) as other, other.worker():
        gone = at(window, lambda: os.kill(other.scheduler.pid, signal.SIGKILL))
        with pytest.raises(ClusterError, match=r"scheduler is gone.* of 35 windows are kept") as caught:
            work.map(out, scheduler=str(other.file), progress=gone)
    assert "\n" not in str(caught.value)
    seen: list[int] = []
    progress = lambda done, total, message: seen.append(done)  # noqa: E731
    assert work.map(out, scheduler=str(cluster.file), resume=True, progress=progress) == work.expected
    assert len(seen) <= WINDOWS - window


def test_worker_with_other_software_is_one_line(cluster: Cluster, work: Work, tmp_path: Path) -> None:
    told = tmp_path / "other" / "geo_xmodal-99.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: geo_xmodal\nVersion: 99.0\n")
    refused = r"worker tcp://\S+ has geo_xmodal 99.0, this program runs \S+: install the same on all"
    with ExitStack() as stack:

        def come() -> None:
            stack.enter_context(cluster.worker(PYTHONPATH=str(told.parent)))

        with pytest.raises(ClusterError, match=refused + ".* windows are kept"):
            work.map(tmp_path / "late.tif", scheduler=str(cluster.file), progress=at(5, come))
        with pytest.raises(ClusterError, match=refused):
            work.map(tmp_path / "early.tif", scheduler=str(cluster.file))
        assert not (tmp_path / ".early.tif.partial").exists()
    wait_until(lambda: len(cluster.workers()) == 2)


def test_worker_that_does_not_see_the_input_is_one_line(cluster: Cluster, work: Work, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    own = dataclasses.replace(work.reader, path=tmp_path / "here" / "input.tif")
    shutil.copy(work.reader.path, own.path)
    apart = ["unshare", "--user", "--map-root-user", "--mount"]
    hidden = ["sh", "-c", f'mount -t tmpfs tmpfs {own.path.parent} && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*apart, *hidden, "true"], check=False).returncode:
        pytest.skip("no mount of its own for a process here")
    with cluster.worker(*apart, *hidden):
        with pytest.raises(ClusterError, match=rf"worker tcp://\S+ does not see {own.path}: every") as caught:
            work.map(tmp_path / "map.tif", scheduler=str(cluster.file), reader=own)
        assert "\n" not in str(caught.value)
    wait_until(lambda: len(cluster.workers()) == 2)


def test_input_that_goes_away_keeps_the_windows(cluster: Cluster, work: Work, tmp_path: Path) -> None:
    own = dataclasses.replace(work.reader, path=tmp_path / "input.tif")
    shutil.copy(work.reader.path, own.path)

    def hide() -> None:
        own.path.rename(tmp_path / "away.tif")

    with pytest.raises(ClusterError, match=rf"worker \S+ does not see {own.path}.* windows are kept"):
        work.map(tmp_path / "map.tif", scheduler=str(cluster.file), reader=own, progress=at(20, hide))
    (tmp_path / "away.tif").rename(own.path)
    assert work.map(tmp_path / "map.tif", reader=own, resume=True) == work.expected


def test_scheduler_holds_little_of_many_windows(cluster: Cluster, work: Work, tmp_path: Path) -> None:
    held: list[int] = []

    def count(done: int, total: int, message: str) -> None:
        assert total == 234
        if done % 20 == 0:
            held.append(cluster.tasks())

    map_scene(
        work.model,
        work.reader,
        tmp_path / "map.tif",
        window=24,
        engine="torch",
        scheduler=str(cluster.file),
        progress=count,
    )
    assert max(held) <= 6
    wait_until(lambda: cluster.tasks() == 0)


_EXPECTED = "expected the file that `dask scheduler --scheduler-file` writes"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, f"no such file; {_EXPECTED}: has the scheduler begun"),
        ("no JSON", _EXPECTED),
        ('{"address": 1}', f"names no address; {_EXPECTED}"),
        ('{"address": "tcp://127.0.0.1:1"', _EXPECTED),
        ("[" * 100_000, _EXPECTED),
        ('["tcp://127.0.0.1:1"]', _EXPECTED),
    ],
)
def test_scheduler_file_that_is_none_is_one_line(
    content: str | None, message: str, work: Work, tmp_path: Path
) -> None:
    file = tmp_path / "scheduler.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ClusterError, match=message):
        work.map(tmp_path / "map.tif", scheduler=str(file))


def test_scheduler_without_workers_is_one_line(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geo_xmodal.mapping.cluster._PATIENCE", 0.5)
    with started(tmp_path) as empty, pytest.raises(ClusterError, match="has no workers: start some"):
        work.map(tmp_path / "map.tif", scheduler=str(empty.file))


def test_encrypted_scheduler_without_certificate_is_one_line(work: Work, tmp_path: Path) -> None:
    with pytest.raises(
        ClusterError, match="asks for a certificate: set DASK_DISTRIBUTED__COMM__TLS__CA_FILE"
    ):
        work.map(tmp_path / "map.tif", scheduler="tls://127.0.0.1:1")
