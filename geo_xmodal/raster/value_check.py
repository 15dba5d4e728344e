"""A look at some values of a source before work on them begins: what they cannot be, and what they are."""

from __future__ import annotations

import numpy as np

from geo_xmodal.errors import UsageError
from geo_xmodal.kinds import KINDS
from geo_xmodal.raster.window_reader import Adaptation, Assumption, WindowReader, source_name
from geo_xmodal.types import FloatArray, lattice

_ROUNDS = (4, 8, 16)
"""Windows along a side of the grid that are read, until some have data."""

_MANY_BANDS = 32
"""Bands above which windows are smaller: a look must cost little of what the work does."""

_POWER_OF_DECIBELS = 0.95
"""Share of values of at least 1 (0 dB) from which what was called decibels is power already."""


def sampled_values(reader: WindowReader) -> FloatArray:
    """(band, n) values of windows spread over a source, at pixels where any band has one.

    Raises:
        RasterError: The source cannot be read there.
    """
    bands = len(reader.bands)
    values = np.empty((bands, 0), np.float32)
    for per_side in _ROUNDS:
        side = 64 if bands <= _MANY_BANDS else 24
        windows = lattice((reader.grid.shape[0], reader.grid.shape[1]), per_side, side)
        values = np.concatenate([reader.read(window).reshape(bands, -1) for window in windows], axis=1)
        values = values[:, np.isfinite(values).any(axis=0)]
        if values.size:
            break
    return values


def checked_values(reader: WindowReader) -> tuple[Assumption, ...]:
    """See that a source can hold what its kind measures.

    Returns:
        All that is taken for granted about it: its own assumptions, and what its values told.

    Raises:
        UsageError: It holds decibels where power was expected, or the reverse.
        RasterError: It cannot be read.
    """
    return checked_sample(reader)[0]


def checked_sample(reader: WindowReader) -> tuple[tuple[Assumption, ...], FloatArray]:
    """As `checked_values`, with the sample (band, n) that was looked at."""
    kind = KINDS[reader.kind]
    assumptions = reader.assumptions
    if not kind.zero_is_no_data:
        return assumptions, sampled_values(reader)
    values = sampled_values(reader.adapted(Adaptation(kind="other")))
    blank = ((values == 0) | np.isnan(values)).all(axis=0)
    if blank.any():
        share = float(blank.mean())
        text = f"{share:.0%} of the pixels looked at are 0 in all bands: taken as no data"
        kept = tuple(one for one in assumptions if one.code != "zeros")
        assumptions = (*kept, Assumption("zeros", text, source_name(reader)))
    values = values[:, ~blank]
    if kind.power:
        _refuse_scale(reader, values[0][np.isfinite(values[0])])
    return assumptions, values


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
                'decibels, expected linear power; give scale db (--scale db, or scale = "db" in scene.toml)'
            )
        return
    decibels = 10 * np.log10(np.maximum(values, np.finfo(np.float32).tiny))
    assert kind.plausible_decibels is not None
    if np.mean(values >= 1) > _POWER_OF_DECIBELS or not kind.plausible_decibels.fits(decibels):
        raise UsageError(
            f"{reader.name}: band 1 of this {kind.adjective} file was said to hold decibels, but is hardly "
            f"ever negative (median {np.median(decibels):.3g}), so it holds power; leave scale db out"
        )
