"""From a table to samples: the values of each sensor, labels, coordinates and places, a row a sample."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_xmodal.errors import TableError, UsageError
from geo_xmodal.kinds import KINDS, Kind, guess_kind
from geo_xmodal.memory import check_memory
from geo_xmodal.points.request import DN_OFFSET, PointsRequest, SensorColumns, matching
from geo_xmodal.points.table import Numbers, Table
from geo_xmodal.raster import few_names, number_of
from geo_xmodal.small_files import shortened
from geo_xmodal.types import MAX_NAME, FloatArray, IntArray
from geo_xmodal.wording import counted

BoolArray = npt.NDArray[np.bool_]

MAX_BANDS = 2_000
"""Of a sensor: columns times the times of a series."""

_MONTH = re.compile(r"\d{4}-\d{2}-01")


@dataclass(frozen=True)
class SensorValues:
    """One sensor of all samples.

    Attributes:
        kind: What it measures.
        scale: How the values stand for power.
        sensor: In words.
        bands: Names.
        values: (n, band), NaN where there is none.
    """

    kind: Kind
    scale: str
    sensor: str
    bands: tuple[str, ...]
    values: FloatArray


@dataclass(frozen=True)
class Samples:
    """What a table holds, a row a sample.

    Attributes:
        target: The sensor that models map from.
        auxiliary: The auxiliary one, or None.
        label: (n) texts, empty without one.
        coordinates: (n, 2) x and y, NaN where there are none.
        crs: Theirs as text; empty where nobody says.
        place: (n) texts, empty without one; None where places are no column.
        name: (n) what samples are called; their row where they have no names.
        notes: What was left out or filled, a line each.
    """

    target: SensorValues
    auxiliary: SensorValues | None
    label: tuple[str, ...]
    coordinates: Numbers
    crs: str
    place: tuple[str, ...] | None
    name: tuple[str, ...]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)


def read_samples(table: Table, request: PointsRequest) -> Samples:
    """The samples of a table.

    Raises:
        UsageError: No column, or one of two sensors, is meant by a pattern.
        TableError: A column is missing or holds other things, or samples contradict themselves.
    """
    table.require(request.label, "labels")
    about = [request.label, *(request.series or ())]
    if request.places is not None:
        about.append(request.places)
    for name in about[1:]:
        table.require(name, "series or places")
    axes = request.coordinates or table.coordinate_columns()
    for name in axes or ():
        table.require(name, "coordinates")
    taken = (*about, *(axes or ()))
    target = _bands(table, request.target, request, taken, "target")
    auxiliary = (
        [] if request.auxiliary is None else _bands(table, request.auxiliary, request, taken, "auxiliary")
    )
    if both := [name for name in target if name in set(auxiliary)]:
        raise UsageError(
            f"{shortened(both[0])!r} is meant as a band of both sensors"
            f"{f', as are {len(both) - 1} more' if len(both) > 1 else ''}: give patterns that are apart"
        )
    numbers, texts = table.read([*target, *auxiliary, *(axes or ())], list(dict.fromkeys(about)))
    notes: list[str] = []
    coordinates, crs = _coordinates(table, numbers, axes, len(texts[request.label]))
    rows = _Rows(table, request, numbers, texts, coordinates)
    made = [
        None if not names else _sensor(rows, names, columns, who, notes)
        for names, columns, who in (
            (target, request.target, "target"),
            (auxiliary, request.auxiliary, "auxiliary"),
        )
    ]
    assert made[0] is not None
    first = rows.first
    return Samples(
        target=made[0],
        auxiliary=made[1],
        label=tuple(texts[request.label][row] for row in first),
        coordinates=coordinates[first],
        crs=request.crs or crs,
        place=None if request.places is None else tuple(texts[request.places][row] for row in first),
        name=rows.names,
        notes=tuple(notes),
    )


def _bands(
    table: Table, sensor: SensorColumns, request: PointsRequest, taken: Sequence[str], who: str
) -> list[str]:
    found = [
        name for name in matching(table.columns, sensor.bands, request.leave_out) if name not in set(taken)
    ]
    if not found:
        raise UsageError(
            f"{table.path}: no column is a band of the {who} sensor ({', '.join(sensor.bands)}); columns: "
            f"{few_names(table.columns)}"
        )
    return found


def _coordinates(
    table: Table, numbers: dict[str, Numbers], axes: Sequence[str] | None, rows: int
) -> tuple[Numbers, str]:
    if axes is not None:
        return np.stack([numbers[name] for name in axes], axis=1), ""
    found = table.geometry()
    if found is None:
        return np.full((rows, 2), np.nan), ""
    if len(found[0]) != rows:
        raise TableError(f"{table.path}: {len(found[0]):,} geometries for {rows:,} rows")
    return found


class _Rows:
    """Which rows of a table are which sample, and at which time."""

    def __init__(
        self,
        table: Table,
        request: PointsRequest,
        numbers: dict[str, Numbers],
        texts: dict[str, list[str]],
        coordinates: Numbers,
    ) -> None:
        self.table, self.request, self.numbers = table, request, numbers
        count = len(texts[request.label])
        self.times: tuple[str, ...] = ()
        if request.series is None:
            self.first: IntArray = np.arange(count)
            self.names = tuple(str(row + 1) for row in range(count))
            return
        names, times = (texts[name] for name in request.series)
        for column, values in zip(request.series, (names, times), strict=True):
            if "" in values:
                raise TableError(
                    f"{table.path}: row {values.index('') + 1} has no {shortened(column)}: every row of a "
                    "series has a sample and a time"
                )
        known: dict[str, int] = {}
        self.sample: IntArray = np.array([known.setdefault(one, len(known)) for one in names], np.int64)
        _, self.first = np.unique(self.sample, return_index=True)
        self.names = tuple(known)
        ordered = _in_order(set(times))
        place = {one: number for number, one in enumerate(ordered)}
        self.time: IntArray = np.array([place[one] for one in times], np.int64)
        months = all(_MONTH.fullmatch(one) for one in ordered)
        self.times = tuple(one[:7] if months else one for one in ordered)
        flat = self.sample * len(ordered) + self.time
        _, where, counts = np.unique(flat, return_index=True, return_counts=True)
        if counts.max() > 1:
            row = int(where[counts.argmax()])
            raise TableError(
                f"{table.path}: sample {shortened(names[row])!r} has {counts.max()} rows at "
                f"{shortened(times[row])!r}, expected one: name the columns that tell them apart"
            )
        labels = np.array(texts[request.label], object)
        wrong = np.flatnonzero(labels != labels[self.first][self.sample])
        if len(wrong):
            raise TableError(
                f"{table.path}: sample {shortened(names[wrong[0]])!r} has several labels, expected one"
            )

    def values(self, names: Sequence[str]) -> Numbers:
        """(sample, time, column); one time where there is no series."""
        columns = np.stack([self.numbers[name] for name in names], axis=1)
        if not self.times:
            return columns[:, None]
        shape = (len(self.first), len(self.times), len(names))
        check_memory(f"{self.table.path}: a series of {shape}", 16 * int(np.prod(shape)), "give fewer bands")
        out = np.full(shape, np.nan)
        out[self.sample, self.time] = columns
        return out


def _in_order(times: set[str]) -> list[str]:
    """Times in their order: as numbers where all are, else as text (ISO 8601)."""
    if all(np.isfinite(number_of(one)) for one in times):
        return sorted(times, key=lambda one: (number_of(one), one))
    return sorted(times)


def _sensor(
    rows: _Rows, names: Sequence[str], asked: SensorColumns | None, who: str, notes: list[str]
) -> SensorValues:
    assert asked is not None
    request = rows.request
    if len(names) * max(1, len(rows.times)) > MAX_BANDS:
        times = f" at {len(rows.times):,} times" if rows.times else ""
        raise TableError(
            f"{rows.table.path}: {len(names):,} columns{times} of the {who} sensor, at most {MAX_BANDS:,} "
            "bands can be: leave some out"
        )
    values = rows.values(names)
    values[~np.isfinite(values)] = np.nan
    for number in request.no_data:
        values[values == number] = np.nan
    kind = asked.kind or guess_kind(names[0]) or "other"
    if asked.kind is None:
        notes.append(f"{who}: taken to be {KINDS[kind].title}, by the name {shortened(names[0])!r}")
    if asked.scale != "linear" and not KINDS[kind].power:
        raise UsageError(f"scale {asked.scale} is for sensors of power, such as sar; the {who} is {kind}")
    empty = np.asarray(np.isnan(values).all(axis=(0, 1)))
    if empty.all():
        raise TableError(f"{rows.table.path}: no band of the {who} sensor ({few_names(names)}) has a value")
    if empty.any():
        gone = [name for name, none in zip(names, empty.tolist(), strict=True) if none]
        notes.append(f"{who}: {few_names(gone)} left out: no sample has a value")
        values, names = values[:, :, ~empty], [name for name in names if name not in gone]
    if request.interpolate:
        values, filled, samples = _interpolated(values)
        if filled:
            notes.append(
                f"{who}: {counted(filled, 'missing value')} of {counted(samples, 'sample')} filled from the "
                "times before and after"
            )
    if asked.scale == "dn":
        values = 10 ** (DN_OFFSET / 10) * values**2
    bands = [f"{name} {time}" for time in rows.times for name in names] if rows.times else list(names)
    _check_names(rows.table, bands)
    flat = values.reshape(len(values), -1)
    with np.errstate(over="ignore"):
        single = flat.astype(np.float32)
    single[~np.isfinite(single)] = np.nan
    lacking = np.asarray(np.isnan(single).all(axis=0))
    if lacking.any():
        gone = [name for name, none in zip(bands, lacking.tolist(), strict=True) if none]
        notes.append(f"{who}: {few_names(gone)} left out: no sample has a value")
        single, bands = single[:, ~lacking], [name for name in bands if name not in set(gone)]
    scale = "linear" if asked.scale == "dn" else asked.scale
    return SensorValues(kind, scale, asked.sensor, tuple(bands), single)


def _check_names(table: Table, bands: Sequence[str]) -> None:
    for name in bands:
        if len(name) > MAX_NAME or not name.isprintable() or not name.strip():
            raise TableError(
                f"{table.path}: {shortened(name)!r} cannot name a band: expected at most {MAX_NAME} letters, "
                "all of which can be seen"
            )


def _interpolated(values: Numbers) -> tuple[Numbers, int, int]:
    """Gaps of a series (sample, time, column) filled linearly, at its ends by the nearest time.

    Times count as evenly spaced. What is missing at all times stays missing.

    Returns:
        The series, how many values were filled, and in how many samples.
    """
    missing = np.isnan(values)
    steps = np.arange(values.shape[1])[None, :, None]
    before: IntArray = np.maximum.accumulate(np.where(missing, -1, steps), axis=1)
    end = values.shape[1]
    after: IntArray = np.minimum.accumulate(np.where(missing, end, steps)[:, ::-1], axis=1)[:, ::-1]
    first, last = np.where(before < 0, after, before), np.where(after == end, before, after)
    known = (first < end) & (last >= 0)
    low = np.take_along_axis(values, np.clip(first, 0, end - 1), axis=1)
    high = np.take_along_axis(values, np.clip(last, 0, end - 1), axis=1)
    share = (steps - first) / np.maximum(last - first, 1)
    out = np.where(missing & known, low + share * (high - low), values)
    filled: BoolArray = missing & ~np.isnan(out)
    return out, int(filled.sum()), int(filled.any(axis=(1, 2)).sum())
