"""How models bear noise in their input: Gaussian white noise at test time, as in Fig. 8 of X-ModalNet.

The paper says "the corrupted input by adding Gaussian white noises with different SNRs ranging from 10 dB to
40 dB at a 10 dB interval", and neither of what a ratio is taken nor whether training sees noise. Here models
are trained without it. The noise is added to the values as they are read, before the model standardises them;
each band has its own signal power, the mean square of its values at the labelled training pixels, so that
SNR = 10 log10(power / variance of the noise). Radar in linear power stays linear, and values that noise makes
negative are clipped by the model as any others. One draw a seed, scaled to every level: all methods and
levels see the same noise.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from geo_xmodal import bundle
from geo_xmodal.accuracy import MEASURES
from geo_xmodal.comparison.cells import CELLS, Results
from geo_xmodal.comparison.request import ComparisonPlan, Fold
from geo_xmodal.comparison.summary import means
from geo_xmodal.outputs import write_json
from geo_xmodal.raster import Adaptation, Assumption, Band, ReaderDefaults, WindowReader
from geo_xmodal.samples import read_patches
from geo_xmodal.scenes import SceneSet, labelled_pixels
from geo_xmodal.training.files import read_json
from geo_xmodal.training.progress import part_of
from geo_xmodal.training.run import RunResult
from geo_xmodal.training.testing import test_scores
from geo_xmodal.types import FloatArray, Kind, Progress, Window, windows_over

LEVELS = (10, 20, 30, 40)
"""Signal-to-noise ratios in dB."""

NO_NOISE = "none"
_FILE = "noise.json"
_SCORES = (*MEASURES, "ece")
_BLOCK = 256


@dataclass(frozen=True)
class NoisyReader(ReaderDefaults):
    """A reader with white noise on top, the same for a pixel whatever the window.

    Attributes:
        reader: what is read.
        deviation: standard deviation of the noise in each band.
        seed: of the draw.
    """

    reader: WindowReader
    deviation: tuple[float, ...]
    seed: int

    @property
    def grid(self) -> GeoBox:
        """The grid of what is read."""
        return self.reader.grid

    @property
    def kind(self) -> Kind:
        """What the sensor measures."""
        return self.reader.kind

    @property
    def name(self) -> str:
        """What is read."""
        return self.reader.name

    @property
    def bands(self) -> tuple[Band, ...]:
        """Those of what is read."""
        return self.reader.bands

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Those of what is read."""
        return self.reader.assumptions

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of what is read."""
        return self.reader.files

    def identity(self) -> Mapping[str, str]:
        """That of what is read, and the noise."""
        return {**self.reader.identity(), "noise": f"{self.deviation} {self.seed}"}

    def on(self, grid: GeoBox, *, measured: bool = False) -> NoisyReader:
        """Noise of the same size on what is read on another grid."""
        return dataclasses.replace(self, reader=self.reader.on(grid, measured=measured))

    def adapted(self, how: Adaptation) -> NoisyReader:
        """What is read, read otherwise, with the noise of its bands."""
        chosen = range(len(self.deviation)) if how.bands is None else how.bands
        deviation = tuple(self.deviation[band] for band in chosen)
        return dataclasses.replace(self, reader=self.reader.adapted(how), deviation=deviation)

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32, NaN where there is no data or no grid."""
        values = self.reader.read(window, margin).copy()
        place = window.padded(margin)
        rows, cols = self.grid.shape
        for block in windows_over(rows, cols, _BLOCK):
            top, left = max(block.row, place.row), max(block.col, place.col)
            bottom = min(block.row + block.height, place.row + place.height)
            right = min(block.col + block.width, place.col + place.width)
            if top < bottom and left < right:
                unit = np.random.default_rng((self.seed, block.row, block.col)).standard_normal(
                    (len(self.deviation), _BLOCK, _BLOCK), np.float32
                )
                part = unit[:, top - block.row : bottom - block.row, left - block.col : right - block.col]
                here = (slice(None), slice(top - place.row, bottom - place.row),
                        slice(left - place.col, right - place.col))  # fmt: skip
                values[here] += part * np.array(self.deviation, np.float32)[:, None, None]
        return values


def deviations(power: Sequence[float], level: float) -> tuple[float, ...]:
    """Standard deviation of the noise in each band, for a signal-to-noise ratio in dB."""
    return tuple(float(np.sqrt(one / 10 ** (level / 10))) for one in power)


def signal_power(scenes: SceneSet) -> tuple[float, ...]:
    """Mean square of each band at the labelled training pixels of all scenes, raw values."""
    values = [
        read_patches(member.reader(member.target), labelled_pixels(member.scene, "train").position, 0)
        for member in scenes.members
        if member.has_labels
    ]
    return tuple(np.nanmean(np.concatenate(values).astype(np.float64) ** 2, axis=(0, 2, 3)).tolist())


class _Kept(BaseModel):
    """`noise.json`: of which run and signal, and its seed and measures by level."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mark: str
    power: list[float]
    levels: dict[str, dict[str, int | FiniteFloat | None]]


def kept_levels(path: Path, mark: str, power: Sequence[float]) -> Mapping[str, Mapping[str, Any]] | None:
    """Measures by level that were kept of the same run and signal; None if `path` does not hold them."""
    try:
        kept = _Kept.model_validate(read_json(path))
    except ValidationError:
        return None
    whole = kept.levels.keys() == {str(level) for level in LEVELS} and all(
        scores.keys() == {"seed", *_SCORES} for scores in kept.levels.values()
    )
    return kept.levels if whole and (kept.mark, kept.power) == (mark, list(power)) else None


def run_noise(
    folds: Sequence[Fold], plan: ComparisonPlan, results: Results, progress: Progress | None = None
) -> dict[str, Any]:
    """Test every row of the noise study at every level; what was tested before is kept beside its run."""
    power = signal_power(folds[0].scenes)
    names = [NO_NOISE, *(str(level) for level in reversed(LEVELS))]
    rows: dict[str, Any] = {}
    done, levels = 0, len(LEVELS)
    total = len(plan.noise) * len(plan.seeds) * len(folds) * levels
    for name, cell in plan.noise.items():
        tested = []
        for (fold, seed), run in zip(itertools.product(folds, plan.seeds), results[cell.name], strict=True):
            tell = part_of(progress, done, levels, total, f"seed {seed}, {name}")
            tested.append(_tested(fold, run, power, seed, tell))
            done += levels
        rows[name] = {
            "cell": f"{CELLS}/{cell.name}",
            "transductive": cell.transductive,
            "levels": {level: means(len(folds), [one[level] for one in tested]) for level in names},
        }
    first = folds[0].scenes.members[0]
    bands = list(first.reader(first.target).band_names)
    return {"levels": names, "power": list(power), "bands": bands, "rows": rows}


def _tested(
    fold: Fold,
    run: RunResult,
    power: Sequence[float],
    seed: int,
    progress: Progress | None,
) -> Mapping[str, Any]:
    """Measures of one run by level."""
    path = run.folder / _FILE
    mark = " ".join([run.metrics["mark"], *([] if fold.shares is None else [fold.shares])])
    without = {"seed": seed, **fold.scores(run.metrics)}
    kept = kept_levels(path, mark, power)
    if kept is not None:
        return {**kept, NO_NOISE: without}
    trained = bundle.load(run.folder)
    levels = {}
    for k, level in enumerate(LEVELS):
        noisy = functools.partial(NoisyReader, deviation=deviations(power, level), seed=seed)
        scores = fold.scores(test_scores(fold.scenes, trained, seen=noisy, shares=fold.shares))
        levels[str(level)] = {"seed": seed} | {measure: scores[measure] for measure in _SCORES}
        if progress is not None:
            progress(k + 1, len(LEVELS), f"{level} dB")
    write_json(path, {"mark": mark, "power": list(power), "levels": levels})
    return {**levels, NO_NOISE: without}
