"""Boosting on a Dask cluster, for more pixels than one machine has memory for their features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from geo_xmodal.errors import ClusterError
from geo_xmodal.methods.boosting_steps import BoostingGrowth, booster_tensors, gradients, settings_of
from geo_xmodal.networks import TreeTensors
from geo_xmodal.types import FloatArray

_PATIENCE = 30
"""Seconds until a scheduler and its first worker must have answered."""

Part = tuple[FloatArray, npt.NDArray[np.floating], npt.NDArray[np.floating]]
"""Features (n, d), soft labels (n, classes) and weights (n,) of some pixels."""


def fit_on_cluster(parts: Iterable[Part], options: BoostingGrowth, seed: int, scheduler: str) -> TreeTensors:
    """What `fit_boosting` gives, grown by the workers of a cluster, which hold the pixels.

    Every part goes to a worker as it comes, so that this process never holds more than one. How parts lie on
    workers decides where thresholds may be: the same seed on another number of workers gives trees that
    differ a little.

    Args:
        parts: of the training pixels; one at least.
        options: how trees grow; all rounds are done.
        seed: of everything drawn.
        scheduler: address of a Dask scheduler whose workers have this package.

    Raises:
        ClusterError: No scheduler answers there, or it has no workers.
    """
    from distributed import Client  # slow to import

    try:
        client: Any = Client(scheduler, timeout=_PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise ClusterError(f"no Dask scheduler answers at {scheduler} ({first}): start one there") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise ClusterError(f"the Dask scheduler at {scheduler} has no workers: start some") from None
        with client.as_current():  # which XGBoost looks for in some places
            return _fitted(client, parts, options, seed)


def _fitted(client: Any, parts: Iterable[Part], options: BoostingGrowth, seed: int) -> TreeTensors:
    from xgboost import dask as on_dask

    columns: list[list[Any]] = [[], [], []]
    classes = 0
    for part in parts:
        classes = part[1].shape[1]
        for column, values in zip(columns, part, strict=True):
            column.append(_held(client, values))
    features, soft, weight = (_joined(column) for column in columns)
    rows = on_dask.DaskDMatrix(client, features, soft, weight=weight)
    found = on_dask.train(client, settings_of(options, seed), rows, options.rounds, obj=gradients)
    return booster_tensors(found["booster"], classes)


def _held(client: Any, values: npt.NDArray[Any]) -> Any:
    """An array on a worker, as a Dask array of one block."""
    import dask.array
    from dask.delayed import delayed

    single = np.ascontiguousarray(values, np.float32)
    block = delayed(client.scatter(single))
    return dask.array.from_delayed(block, single.shape, single.dtype)  # type: ignore[no-untyped-call]


def _joined(blocks: list[Any]) -> Any:
    import dask.array

    return dask.array.concatenate(blocks)  # type: ignore[no-untyped-call]
