"""Where windows are computed: threads of this process, processes of this machine, or a Dask cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from geo_xmodal.errors import UsageError

_PATIENCE = 10.0
"""Seconds to wait for a cluster."""


@contextmanager
def window_pool(workers: int, scheduler: str | None, threads: int | None) -> Iterator[tuple[Executor, int]]:
    """An executor of `geo_xmodal.mapping.tasks.run_window`, and how many windows it computes at once.

    Every window is computed on one thread, so that its numbers do not depend on where that is.

    Args:
        workers: Processes; 1 computes in this process.
        scheduler: Address of a Dask scheduler, in place of `workers`. Its workers must see the files.
        threads: Windows at once in this process; None for torch's number of threads.

    Raises:
        UsageError: If no scheduler with workers answers there.
    """
    if scheduler is None and workers == 1:
        before = torch.get_num_threads()
        slots = threads or before
        pool = ThreadPoolExecutor(slots, thread_name_prefix="window")
        try:
            yield pool, slots
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            torch.set_num_threads(before)
        return
    with ExitStack() as stack:
        if scheduler is None:
            scheduler = stack.enter_context(_local_cluster(workers))
        yield stack.enter_context(_dask_executor(scheduler))


@contextmanager
def _local_cluster(workers: int) -> Iterator[str]:
    import dask  # slow to import, and not needed in one process
    from distributed import LocalCluster

    # Dask's own environment for workers makes the C library give memory back at once; see `engine`.
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
        ) as cluster,
    ):
        yield cluster.scheduler_address


@contextmanager
def _dask_executor(address: str) -> Iterator[tuple[Executor, int]]:
    from distributed import Client

    try:
        client: Any = Client(address, timeout=_PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Dask scheduler answers at {address} within {_PATIENCE:g} s ({_first_line(error)}): "
            "give the address that dask-scheduler prints, such as tcp://127.0.0.1:8786"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise UsageError(f"the Dask scheduler at {address} has no workers: start some") from None
        executor = client.get_executor(pure=False)
        try:
            yield executor, sum(client.nthreads().values())
        finally:
            executor.shutdown(wait=False)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
