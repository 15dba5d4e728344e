"""A look at some values of a source before work on them begins: what they cannot be, and what they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geo_xmodal.errors import UsageError
from geo_xmodal.kinds import KINDS
from geo_xmodal.named_options import option
from geo_xmodal.raster.files import file_window, kept_open, open_raster, read_window
from geo_xmodal.raster.window_reader import Adaptation, Assumption, WindowReader, source_name
from geo_xmodal.types import FloatArray, lattice

_ROUNDS = (4, 8, 16)
"""Windows along a side of the grid that are read, until some have data."""

_MANY_BANDS = 32
"""Bands above which windows are smaller: a look must cost little of what the work does."""

_SMALL = 0.01
"""Share below which no number is told."""

_POWER_OF_DECIBELS = 0.95
"""Share of values of at least 1 (0 dB) from which what was called decibels is power already."""


def sampled_values(reader: WindowReader) -> FloatArray:
    """(band, n) values of windows spread over a source, at pixels where any band has one.

    Raises:
        RasterError: The source cannot be read there.
    """
    (values,) = _sampled(reader)
    return values


def _sampled(*readers: WindowReader) -> list[FloatArray]:
    """For each reader of one grid (band, n) values, at pixels where any band of the first reader has one."""
    with kept_open():
        return _looked_at(readers)


def _looked_at(readers: Sequence[WindowReader]) -> list[FloatArray]:
    bands, shape = len(readers[0].bands), readers[0].grid.shape
    for per_side in _ROUNDS:
        side = 64 if bands <= _MANY_BANDS else 24
        windows = list(lattice((shape[0], shape[1]), per_side, side))
        values = [
            np.concatenate([reader.read(window).reshape(bands, -1) for window in windows], axis=1)
            for reader in readers
        ]
        known = np.isfinite(values[0]).any(axis=0)
        values = [one[:, known] for one in values]
        if known.any():
            break
    return values


def checked_values(reader: WindowReader) -> tuple[Assumption, ...]:
    """See that a source can hold what its kind measures.

    Values are looked at only where those of its kind can tell something.

    Returns:
        All that is taken for granted about it: its own assumptions, and what its values told.

    Raises:
        UsageError: It holds decibels where power was expected, or the reverse.
        RasterError: It cannot be read.
    """
    kind = KINDS[reader.kind]
    if not (kind.power or kind.zero_is_no_data or kind.plausible.bounded):
        return reader.assumptions  # values of such a kind tell nothing, and hundreds of bands take long
    return checked_sample(reader)[0]


def checked_sample(reader: WindowReader) -> tuple[tuple[Assumption, ...], FloatArray]:
    """As `checked_values`, with the sample (band, n) that was looked at."""
    kind = KINDS[reader.kind]
    about: list[Assumption] = []
    if kind.zero_is_no_data:
        every, values = _sampled(reader.adapted(Adaptation(kind="other")), reader)
        about += _about_zeros(reader, every, values)
        values = values[:, np.isfinite(values).any(axis=0)]
    else:
        values = sampled_values(reader)
    if kind.power:
        _refuse_scale(reader, values[0][np.isfinite(values[0])])
    else:
        about += _about_range(reader, values[np.isfinite(values)])
    return (*reader.assumptions, *about), values


def infinite_values(path: Path | str) -> Assumption | None:
    """What is said of infinite numbers among those that a file stores, where any is met.

    Raises:
        RasterError: It cannot be read.
    """
    with open_raster(path) as dataset:
        if not any(dtype.startswith("float") for dtype in dataset.dtypes):
            return None
        windows = lattice((dataset.height, dataset.width), _ROUNDS[0], 64)
        stored = [read_window(dataset, [1], file_window(window)).ravel() for window in windows]
    infinite = np.isinf(np.concatenate(stored))
    if not infinite.any():
        return None
    text = f"{_share(infinite)} of the values of band 1 looked at are infinite: taken as no data"
    return Assumption("infinite", text, Path(path).name)


def _about_zeros(reader: WindowReader, every: FloatArray, values: FloatArray) -> list[Assumption]:
    """What is said of pixels that are 0: of `every` value, and of those that the kind leaves."""
    kind = KINDS[reader.kind]
    blank = np.asarray(np.isnan(values).all(axis=0))
    zero = ((every == 0) | np.isnan(every)).all(axis=0)
    some = (every == 0).any(axis=0) & np.isfinite(every).all(axis=0) & ~zero
    texts = []
    if blank.any():
        advice = ""
        if kind.zero_unless_told:
            advice = f"; where 0 is measured, say which value is no data: {_saying('-9999')}"
        texts.append(f"{_share(blank)} of the pixels looked at are 0 in all bands: taken as no data{advice}")
    elif zero.any():
        texts.append(
            f"{_share(zero)} of the pixels looked at are 0 in all bands: taken as data, as the file says "
            "that another value is no data"
        )
    if some.any():
        texts.append(
            f"{_share(some)} of the pixels looked at are 0 in some bands, but not in all: taken as data; "
            f"where 0 is no data in one band, say so: {_saying('0')}"
        )
    return [Assumption("zeros", text, source_name(reader)) for text in texts]


def _saying(value: str) -> str:
    """How a user says that a value is no data."""
    return f"nodata in scene.toml, or gdal_edit.py -a_nodata {value} FILE"


def _about_range(reader: WindowReader, values: FloatArray) -> list[Assumption]:
    """What is said of values (n,) that the kind cannot have."""
    kind = KINDS[reader.kind]
    if kind.plausible.fits(values):
        return []
    low, high = kind.plausible.low, kind.plausible.high
    outside = (values < low) | (values > high)
    found, counts = np.unique(values[outside], return_counts=True)
    tagged = any(band.tagged for band in reader.bands)  # no data is a number as stored
    fill = "VALUE" if tagged or counts.max() <= counts.sum() / 2 else f"{found[counts.argmax()]:.9g}"
    text = (
        f"{_share(outside)} of the values looked at lie outside of {low:g} to "
        f"{high:g} {kind.unit}, where {kind.adjective} values lie (median {np.median(values):.4g}): taken as "
        f"they are; see that unit, scale and offset are right, or say which value is no data: {_saying(fill)}"
    )
    return [Assumption("range", text, source_name(reader))]


def _share(chosen: npt.NDArray[np.bool_]) -> str:
    share = float(chosen.mean())
    return f"{share:.0%}" if share >= _SMALL else f"less than {_SMALL:.0%}"


def _refuse_scale(reader: WindowReader, values: FloatArray) -> None:
    """Of the first band: others may be signed, as the parts of a covariance are."""
    kind = KINDS[reader.kind]
    if not len(values):
        return
    middle = f"median {np.median(values):.3g}"
    if not any(band.decibel for band in reader.bands):
        if not kind.plausible.fits(values):
            raise UsageError(
                f"{reader.name}: band 1 of this {kind.adjective} file is negative ({middle}), so it holds "
                f'decibels, expected linear power; give {option("scale", "db")} (scale = "db" in scene.toml)'
            )
        return
    decibels = 10 * np.log10(np.maximum(values, np.finfo(np.float32).tiny))
    assert kind.plausible_decibels is not None
    if np.mean(values >= 1) > _POWER_OF_DECIBELS or not kind.plausible_decibels.fits(decibels):
        raise UsageError(
            f"{reader.name}: band 1 of this {kind.adjective} file was said to hold decibels, but is hardly "
            f"ever negative (median {np.median(decibels):.3g}), so it holds power; leave scale db out"
        )
