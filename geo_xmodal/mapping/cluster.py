"""Windows on a Dask cluster: joined, checked for the same software and files, and left as it was."""

from __future__ import annotations

import importlib.metadata
import logging
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
from distributed import Client, KilledWorker, LocalCluster, Security, get_worker

from geo_xmodal.errors import ClusterError, GeoXmodalError, UsageError
from geo_xmodal.mapping.runtimes import Runtime
from geo_xmodal.mapping.tasks import WindowTask, run_window
from geo_xmodal.small_files import SmallFile, read_json_object
from geo_xmodal.types import Window

_SCHEDULER_FILE = SmallFile(
    "the file that `dask scheduler --scheduler-file` writes",
    ClusterError,
    "has the scheduler begun?",
    4 << 20,
)

_PATIENCE = 10.0
"""Seconds to wait for a scheduler, and for its first worker."""

_DESERTED_SECONDS = 600.0
"""How long a cluster may be without workers in the middle of a map: a job queue needs time for new ones."""

_COUNT_SECONDS = 1.0
"""How often the workers are counted."""

_PACKAGE = "geo_xmodal"
_NUMBERS = (_PACKAGE, "torch", "numpy", "rasterio")
"""Packages that the bytes of a map depend on; rasterio brings GDAL, which resamples."""

_HEED_NO_INTERRUPT = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""Ctrl-C in a terminal reaches the workers too; this process ends them, and tells it once."""


@contextmanager
def local_cluster(workers: int) -> Iterator[str]:
    """Processes on this machine, each replaced when it dies; the address of their scheduler."""
    # Dask's own environment for workers makes the C library give memory back at once; see `runtimes`.
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": one_thread}),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,  # a window is bounded; the limit would kill workers for the file cache
            silence_logs=logging.CRITICAL,
            preload=_HEED_NO_INTERRUPT,
        ) as cluster,
    ):
        yield cluster.scheduler_address


@contextmanager
def cluster_pool(task: WindowTask, scheduler: str) -> Iterator[ClusterPool]:
    """The workers of a cluster as a pool. When it is left, the cluster holds nothing of the map any more.

    Args:
        task: What to do with each window.
        scheduler: Its address, or the file that holds it.

    Raises:
        ClusterError: If no scheduler with workers answers there, or its workers are not fit for the task.
    """
    address = _address(scheduler)
    if address.startswith("tls://") and Security().get_connection_args("client")["ssl_context"] is None:  # type: ignore[no-untyped-call]
        raise ClusterError(
            f"{address} asks for a certificate: set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and "
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and __KEY, as docs/cluster.md shows"
        )
    with _quiet():
        try:
            client: Any = Client(address, timeout=_PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"no Dask scheduler answers at {address} within {_PATIENCE:g} s ({_first_line(error)}): "
                "give the address that `dask scheduler` prints, such as tcp://127.0.0.1:8786"
            ) from None
        with client:
            try:
                client.wait_for_workers(1, timeout=_PATIENCE)
            except TimeoutError:
                raise ClusterError(f"the Dask scheduler at {address} has no workers: start some") from None
            shared = _SharedTask.of(task)
            _check_workers(client, shared)
            executor = client.get_executor(pure=False)
            try:
                yield ClusterPool(client, executor, shared)
            finally:
                executor.shutdown(wait=False)


class ClusterPool:
    """The workers that a scheduler has now; see `geo_xmodal.mapping.pools.WindowPool`."""

    def __init__(self, client: Any, executor: Executor, shared: _SharedTask) -> None:
        self._client = client
        self._executor = executor
        # As the result of a task, what all windows have in common goes once to each worker, late ones
        # included, and is made anew if all that hold it die; scattered data would be lost.
        self._shared = client.submit(_same, shared, pure=False)
        self._threads = 0
        self._counted = float("-inf")
        self._last_seen = time.monotonic()

    def slots(self) -> int:
        """Threads of all workers.

        Raises:
            ClusterError: If there has been none for long.
        """
        now = time.monotonic()
        if now - self._counted > _COUNT_SECONDS:
            with suppress(OSError):  # a scheduler that is gone has every window in flight cancelled
                self._threads = sum(self._client.nthreads().values())
            self._counted = now
        if self._threads:
            self._last_seen = now
        elif now - self._last_seen > _DESERTED_SECONDS:
            raise ClusterError(f"the Dask cluster has had no worker for {_DESERTED_SECONDS:g} s: start some")
        return self._threads

    def submit(self, window: Window) -> Future[bytes]:
        """What `geo_xmodal.mapping.tasks.run_window` gives for a window, or what went wrong there."""
        result: Future[bytes] = Future()
        inner = self._executor.submit(_run_on_worker, self._shared, window)
        inner.add_done_callback(partial(_hand_on, result, window))
        return result


@dataclass(frozen=True)
class _SharedTask:
    """What all windows of a map have in common, and what a worker must have for them.

    Attributes:
        token: Names the map, so that a worker checks itself once.
        versions: Of the packages that numbers depend on.
        sizes: Of the files of model and input, in bytes; of a folder None.
    """

    token: str
    task: WindowTask
    versions: Mapping[str, str]
    sizes: Mapping[Path, int | None]

    @classmethod
    def of(cls, task: WindowTask) -> _SharedTask:
        """As they are here."""
        packages = (*_NUMBERS, *(("openvino",) if task.runtime.engine == "openvino" else ()))
        versions = {name: importlib.metadata.version(name) for name in packages}
        sizes = {path: _size(path) for path in (task.bundle_folder, *task.reader.files) if path.exists()}
        return cls(uuid.uuid4().hex, task, versions, sizes)

    def unfit(self) -> str | None:
        """What this process lacks for it: the end of a sentence that begins with the worker."""
        for name, version in self.versions.items():
            if (runs := _version(name)) != version:
                return _other_version(name, runs, version)
        runtime = self.task.runtime
        try:
            Runtime.of(runtime.engine, runtime.precision, runtime.device)
        except UsageError as error:
            return f"cannot do it: {error}"
        for path, size in self.sizes.items():
            if not path.exists():
                return f"does not see {path}: every worker needs the model and the input under the same paths"
            if (there := _size(path)) != size:
                return f"sees another {path}: {there} bytes, not {size}: every worker needs the same files"
        return None


_fit_for: str | None = None
"""Token of the task that this process last found itself fit for."""


def _run_on_worker(shared: _SharedTask, window: Window) -> bytes:
    global _fit_for
    if _fit_for != shared.token:  # also for workers that came after the map began
        lack = shared.unfit()
        if lack is not None:
            raise ClusterError(f"worker {_here()} {lack}")
        _fit_for = shared.token
    try:
        return run_window(shared.task, window)
    except GeoXmodalError as error:
        lack = shared.unfit()
        if lack is not None:  # a share that went away is no fault of the file
            raise ClusterError(f"worker {_here()} {lack}") from None
        raise type(error)(f"{error.marked} (worker {_here()})") from None


def _same(shared: _SharedTask) -> _SharedTask:
    return shared


def _check_workers(client: Any, shared: _SharedTask) -> None:
    """Ask all workers whether they are fit. A worker that dies meanwhile is asked with its first window."""
    versions = client.run(importlib.metadata.version, _PACKAGE, on_error="return")  # needs no package of ours
    for address, version in versions.items():
        if isinstance(version, importlib.metadata.PackageNotFoundError):
            raise ClusterError(
                f"worker {address} {_other_version(_PACKAGE, None, shared.versions[_PACKAGE])}"
            )
        if isinstance(version, str) and version != shared.versions[_PACKAGE]:
            raise ClusterError(
                f"worker {address} {_other_version(_PACKAGE, version, shared.versions[_PACKAGE])}"
            )
    for address, lack in client.run(_SharedTask.unfit, shared, on_error="return").items():
        if isinstance(lack, str):
            raise ClusterError(f"worker {address} {lack}")


def _hand_on(result: Future[bytes], window: Window, inner: Future[bytes]) -> None:
    """Give what came of a window to who waits for it; what Dask says of failures becomes one line."""
    try:
        result.set_result(inner.result())
    except CancelledError:
        result.set_exception(
            ClusterError("the Dask scheduler is gone, or gave windows back undone: look at its log")
        )
    except KilledWorker as error:  # of what waited there, too: a worker takes all that it has with it
        result.set_exception(
            ClusterError(
                f"{error.allowed_failures + 1} workers died, one after the other, while they had the window "
                f"at row {window.row}, column {window.col} (the last: {error.last_worker.address}): look at "
                "their logs; too little memory is the usual cause"
            )
        )
    except ImportError as error:
        lacks_us = (error.name or "").split(".")[0] == _PACKAGE
        line = f"a worker cannot run geo_xmodal {_version(_PACKAGE)} ({error}): install the same on all"
        result.set_exception(ClusterError(line) if lacks_us else error)
    except BaseException as error:
        result.set_exception(error)


def _address(scheduler: str) -> str:
    """An address as it is, or out of the file that `dask scheduler --scheduler-file` writes.

    Raises:
        ClusterError: If there is no such file, or no address in it.
    """
    path = Path(scheduler)
    if "://" in scheduler or not (path.suffix == ".json" or path.is_file()):
        return scheduler
    address = read_json_object(path, _SCHEDULER_FILE).get("address")
    if not isinstance(address, str):
        raise _SCHEDULER_FILE.refuse(path, "names no address")
    return address


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _other_version(package: str, there: str | None, here: str) -> str:
    has = f"has {package} {there}" if there else f"has no {package}"
    return f"{has}, this program runs {here}: install the same on all, or the map's bytes may differ"


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _here() -> str:
    return str(get_worker().address)


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask logs on standard error what is told in one line here."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
