"""Whether a model fits an input."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from geo_xmodal.bundle import Card
from geo_xmodal.errors import ModelMismatchError, SceneError, UsageError, ValueRangeError
from geo_xmodal.named_options import option
from geo_xmodal.raster import (
    Adaptation,
    Assumption,
    Encoding,
    WindowReader,
    checked_sample,
    few_names,
    is_unnamed,
    match_bands,
    pixel_size,
    product_in,
    size_text,
    sizes_differ,
    source_name,
)
from geo_xmodal.samples import HIGH_PERCENTILE, LOW_PERCENTILE
from geo_xmodal.scenes import Scene, find_modality
from geo_xmodal.types import BandStatistics, FloatArray
from geo_xmodal.wording import counted

_DOUBTFUL, _HOPELESS = 0.2, 0.95
"""Share of a band's values outside of the model's range that is doubtful, or leaves nothing to go by."""

_BETTER = 0.02
"""Share by which values must fit better without the tags' scale to be read so."""

_UNITS: Mapping[str, str] = {
    "m": "with a size in metres",
    "unit": "without a place on the ground, so of unknown size",
}
"""Of the sizes of pixels."""

_ENCODED: Mapping[Encoding, str] = {
    "stored": "scale and offset tags are not applied: the model was trained on numbers like those stored",
    "shifted": "of the scale and offset tags only the offset is applied (stored + offset / scale): the model "
    "was trained on such numbers",
}


@dataclass(frozen=True)
class Fit:
    """An input as a model takes it.

    Attributes:
        reader: The input with the model's bands in its order, read as its training values were.
        warnings: Lines that the user should see: what is doubtful, or could not be checked.
        assumptions: All that is taken for granted about the input.
    """

    reader: WindowReader
    warnings: tuple[str, ...]
    assumptions: tuple[Assumption, ...]


def check_fit(card: Card, reader: WindowReader, *, any_values: bool = False) -> Fit:
    """Whether a model can map an input: the one check of every entry.

    Bands are matched by name where the names are unique and hold all of the model's, else taken by place
    where either side has no names. Some windows are read: values that lie outside of the model's ranges are
    refused, or doubted. Where a file has scale and offset tags, its values are read as those that the model
    was trained on: with the tags applied, without them, or shifted by the offset alone.

    Args:
        card: Of the model.
        reader: The input.
        any_values: Values outside of the model's ranges are a warning only.

    Raises:
        ModelMismatchError: The bands or the kind of sensor are not what the model was made for.
        ValueRangeError: The values are not.
        UsageError: The input holds decibels where power was expected, or the reverse.
        RasterError: The input cannot be read.
    """
    target = card.target
    if reader.kind not in ("other", target.kind):
        raise ModelMismatchError(
            f"the input is {reader.kind}, the model was made for {target.kind} ({target.modality}): "
            "give that sensor, or another model"
        )
    made_for = product_in(target.sensor)
    if reader.product is not None and made_for is not None and reader.product.contradicts(made_for):
        raise ModelMismatchError(
            f"the input holds features of {reader.product}, the model was made for {made_for}: "
            "give those, or another model"
        )
    lines, more = [], []
    if reader.kind != target.kind:
        lines.append(f"the input does not say what it measures: taken to be {target.kind}, as the model is")
    places, about = bands_for(target.statistics.bands, reader)
    more += about
    fitted = reader.adapted(Adaptation(bands=places, kind=target.kind))
    fitted, assumptions, about_values = _with_the_models_values(card, fitted, any_values)
    lines += about_values
    return Fit(fitted, (*lines, *_doubts_of_place(card, fitted.grid)), (*assumptions, *more))


def bands_for(names: Sequence[str], reader: WindowReader) -> tuple[tuple[int, ...], list[Assumption]]:
    """Places (from 0) of a model's bands among a reader's, and what is taken for granted in that.

    Raises:
        ModelMismatchError: Names contradict, or the number of bands does.
    """
    match = match_bands(names, reader)
    if match is not None:
        assumed = [Assumption("bands", match.assumed, source_name(reader))] if match.assumed else []
        return match.places, assumed
    found, wanted = few_names(reader.band_names), few_names(names)
    if len(reader.bands) != len(names):
        raise ModelMismatchError(
            f"the input has {counted(len(reader.bands), 'band')} ({found}), the model was made "
            f"for {len(names)} ({wanted}): choose the input's bands, or another model"
        )
    raise ModelMismatchError(
        f"the input's bands are {found}, the model was made for {wanted}: "
        f"give the input's bands in the model's order with {option('bands')}, or another model"
    )


def _with_the_models_values(
    card: Card, reader: WindowReader, any_values: bool
) -> tuple[WindowReader, tuple[Assumption, ...], list[str]]:
    """The input read as the training values were, what is taken for granted, and doubts."""
    assumptions, values = checked_sample(reader)
    if not values.size:
        return reader, assumptions, ["no value was found in the windows looked at: ranges are not checked"]
    outside = _outside(card.statistics, values)
    if any(band.tagged for band in reader.bands) and not card.target.scaled:
        first = reader
        for encoding in ("stored", "shifted"):
            if outside.mean() <= _BETTER:
                break
            other = first.adapted(Adaptation(encoding=encoding))
            try:
                about, there = checked_sample(other)
            except UsageError:  # of a trial, not of the input: such numbers cannot be meant
                continue
            lost = np.isfinite(there).sum() < np.isfinite(values).sum()  # 10^(3500 / 10) is no number
            shares = _outside(card.statistics, there)
            if not lost and shares.mean() < outside.mean() - _BETTER:
                reader, values, outside = other, there, shares
                text = _ENCODED[encoding]
                kept = tuple(one for one in about if one.code != "scale")
                assumptions = (*kept, Assumption("scale", text, source_name(reader)))
    return reader, assumptions, _doubts_of_values(card, reader, values, outside, any_values)


def _outside(statistics: BandStatistics, values: FloatArray) -> npt.NDArray[np.float64]:
    """Share of each band's values (band, n) that lie outside of the training values' middle 99 %."""
    low, high = (np.array(limits)[:, None] for limits in (statistics.low, statistics.high))
    with np.errstate(invalid="ignore"):
        out = ((values < low) | (values > high)).sum(axis=1)
    return np.asarray(out / np.maximum(np.isfinite(values).sum(axis=1), 1))


def _doubts_of_values(
    card: Card,
    reader: WindowReader,
    values: FloatArray,
    outside: npt.NDArray[np.float64],
    any_values: bool,
) -> list[str]:
    """Nothing, or a line on the band that is furthest off.

    Raises:
        ValueRangeError: Half of the bands hold hardly a value that the model has seen.
    """
    worst = int(outside.argmax())
    if outside[worst] <= _DOUBTFUL:
        return []
    statistics = card.statistics
    known = values[worst][np.isfinite(values[worst])]
    low, high = np.percentile(known, (LOW_PERCENTILE, HIGH_PERCENTILE))
    name = reader.band_names[worst]
    band = name if is_unnamed(name) else f"band {name}"
    ranges = (
        f"{outside[worst]:.0%} of the values of {band} lie outside of the model's "
        f"range: the input has {low:.4g} to {high:.4g}, training had {statistics.low[worst]:.4g} to "
        f"{statistics.high[worst]:.4g}"
    )
    if np.mean(outside >= _HOPELESS) < 0.5:
        return [f"{ranges}: expect a worse map; see that units, scale and offset are those of the model"]
    if any_values:
        return [f"{ranges}: mapped nevertheless, as asked"]
    raise ValueRangeError(
        f"{ranges}: bring the input to the model's units (scale, offset, decibels, product level), or choose "
        f"to map it as it is ({option('any_values')})"
    )


def _doubts_of_place(card: Card, grid: GeoBox) -> list[str]:
    lines = []
    if grid.crs is None:
        lines.append("the input has no CRS: the map is on its pixel grid")
    if card.resolution is not None and resolution_ratio(card, grid) is None:
        lines.append(
            "pixel size not checked: the model was trained on pixels "
            f"{_UNITS.get(card.resolution_unit, card.resolution_unit)}, the input's are "
            f"{_UNITS[pixel_size(grid)[2]]}"
        )
    elif differs(card, grid):
        lines.append(
            f"pixels are {size_text(grid)}, the model was trained on {model_size_text(card)}: expect a worse "
            "map, or have them resampled to that size"
        )
    return lines


def resolution_ratio(card: Card, grid: GeoBox) -> tuple[float, float] | None:
    """How many rows and columns of a grid make one of the model's pixels; None where nobody can tell."""
    if card.resolution is None:
        return None
    rows, cols, unit = pixel_size(grid)
    if unit != (card.resolution_unit or unit):
        return None
    return card.resolution[0] / rows, card.resolution[1] / cols


def differs(card: Card, grid: GeoBox) -> bool:
    """Whether pixels are of another size than the model's, by more than a tenth."""
    ratio = resolution_ratio(card, grid)
    return ratio is not None and sizes_differ(ratio, (1.0, 1.0))


def model_size_text(card: Card) -> str:
    """Size of the pixels that a model was trained on, for a message."""
    rows, cols = card.resolution or (math.nan, math.nan)
    return f"{rows:.4g} x {cols:.4g} {card.resolution_unit}".strip()


def target_modality(scene: Scene, card: Card) -> str:
    """The scene's sensor that a model was made for: by name, else the only one of its kind.

    Raises:
        ModelMismatchError: The scene has none, or several of the kind.
        SceneError: The scene is made of points, which make no map.
    """
    if scene.points is not None:
        raise SceneError(
            f"scene {scene.name} holds {scene.points.count:,} points, which make no map: train on it, and "
            "map a raster of the same bands"
        )
    found = find_modality(scene, card.target.modality, card.target.kind)
    if found is not None:
        return found
    raise ModelMismatchError(
        f"scene {scene.name} has {', '.join(scene.config.modalities)}; the model maps from "
        f"{card.target.modality} ({card.target.kind}): map another scene, or a file with {option('input')}"
    )
