"""Where windows are computed: threads of this process, processes of this machine, or a Dask cluster."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

import torch

from geo_xmodal.mapping.tasks import WindowTask, classify_window, read_window
from geo_xmodal.types import Window

_AHEAD = 2
"""Windows in flight for each that is being computed: one in work, one waiting, so that no worker idles."""

_LOOK_SECONDS = 1.0
"""How often to look for workers that came or went while no window gets done."""


class WindowPool(Protocol):
    """What computes the windows of one map."""

    def slots(self) -> int:
        """Windows that are computed at once now; workers come and go."""

    def submit(self, window: Window) -> Future[bytes]:
        """What `geo_xmodal.mapping.tasks.run_window` gives for a window, later."""


@contextmanager
def window_pool(
    task: WindowTask, workers: int, scheduler: str | None, threads: int | None
) -> Iterator[WindowPool]:
    """The pool that a map is asked to be computed in. When it is left, what is not yet begun is dropped.

    Every window is computed on one thread, so that its numbers do not depend on where that is.

    Args:
        task: What to do with each window.
        workers: Processes; 1 computes in this process.
        scheduler: Address of a Dask scheduler, or the file that holds it, in place of `workers`. Its workers
            must see the files.
        threads: Windows at once in this process; None for torch's number of threads.

    Raises:
        ClusterError: If no scheduler with workers answers there, or its workers are not fit for the task.
    """
    if scheduler is None and workers == 1:
        before = torch.get_num_threads()
        slots = threads or before
        readers = ThreadPoolExecutor(slots, thread_name_prefix="read")
        executor = ThreadPoolExecutor(slots, thread_name_prefix="window")
        try:
            yield _Threads(task, readers, executor, slots)
        finally:
            for pool in (readers, executor):
                pool.shutdown(wait=True, cancel_futures=True)
            torch.set_num_threads(before)
        return
    from geo_xmodal.mapping.cluster import cluster_pool, local_cluster  # slow: not needed in one process

    with ExitStack() as stack:
        if scheduler is None:
            scheduler = stack.enter_context(local_cluster(workers))
        yield stack.enter_context(cluster_pool(task, scheduler))


def computed(pool: WindowPool, windows: Sequence[tuple[int, Window]]) -> Iterator[tuple[int, bytes]]:
    """Index and payload of every window, in the order they get done; a few are in flight at a time."""
    waiting = iter(windows)
    done: SimpleQueue[tuple[int, Future[bytes]]] = SimpleQueue()
    left, running = len(windows), 0
    while left:
        # Without a worker one window still waits for the first that comes.
        room = max(_AHEAD * pool.slots(), 1) - running
        for index, window in itertools.islice(waiting, max(room, 0)):
            running += 1
            pool.submit(window).add_done_callback(partial(_put, done, index))
        try:
            index, future = done.get(timeout=_LOOK_SECONDS)
        except Empty:
            continue
        running -= 1
        left -= 1
        yield index, future.result()


def _put(done: SimpleQueue[tuple[int, Future[bytes]]], index: int, future: Future[bytes]) -> None:
    done.put((index, future))


@dataclass(frozen=True)
class _Threads:
    """Threads of this process: while some compute, others read what comes next."""

    task: WindowTask
    readers: ThreadPoolExecutor
    executor: ThreadPoolExecutor
    threads: int

    def slots(self) -> int:
        return self.threads

    def submit(self, window: Window) -> Future[bytes]:
        values = self.readers.submit(read_window, self.task, window)
        return self.executor.submit(lambda: classify_window(self.task, window, values.result()))
