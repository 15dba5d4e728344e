"""The question and its answer: views of two sensors, an estimate for each, and what they were taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from geo_xmodal.correlation import CorrelationEstimate
from geo_xmodal.dependence.arrays import read_pairs
from geo_xmodal.dependence.classes import ClassCorrelation, correlate_classes
from geo_xmodal.dependence.estimates import BlockIds, FloatArray, Nonlinear, estimate, is_shown
from geo_xmodal.dependence.pixels import pair_of
from geo_xmodal.errors import LabelError, UsageError
from geo_xmodal.named_options import option
from geo_xmodal.scenes import Scene
from geo_xmodal.types import Progress

READING = (
    "Estimates are correlations of fitted functions on samples that they were not fitted to: lower estimates "
    "of the maximal (HGR) correlation, not the maximal correlation itself. Dependence "
    "is shown where p is at most 0.05, that is, where no more than 5 % of broken pairings reach as much."
)

COMPONENTS = 5
"""Pairs of functions in the spectrum."""


@dataclass(frozen=True)
class View:
    """What was compared, and how much one side of it tells about the other.

    Attributes:
        name: the columns of the second side: "pixel", "3 x 3" (means and standard deviations of a window),
            ..., "all of these", or the name of a file.
        columns: how many columns the two sides have.
        estimates: by method; "cca" is linear, the other is not.
    """

    name: str
    columns: tuple[int, int]
    estimates: Mapping[str, CorrelationEstimate]

    def shows(self, method: str) -> bool:
        """Whether an estimate shows that the two sides depend on each other."""
        return is_shown(self.estimates[method])


@dataclass(frozen=True)
class Study:
    """The answer of `correlate`.

    Attributes:
        first: name of one side.
        second: name of the other.
        method: of the estimate that stands for the study. It is chosen before the data are seen: the larger
            of two estimates would be too large.
        views: from the narrowest to the widest; the last stands for the study.
        classes: of a scene, if asked for.
        data: what was compared: samples, blocks, what was left out; plain values.
        file_name: of its files in a folder, without their endings.
    """

    file_name: ClassVar[str] = "correlation"

    first: str
    second: str
    method: Nonlinear
    views: tuple[View, ...]
    classes: tuple[ClassCorrelation, ...] | None
    data: Mapping[str, Any]

    @property
    def reading(self) -> str:
        """How the numbers are to be read."""
        return READING

    @property
    def headline(self) -> CorrelationEstimate:
        """The estimate that stands for the study."""
        return self.views[-1].estimates[self.method]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: those of the headline, then every view and class."""
        return {
            **_as_dict(self.headline),
            "between": [self.first, self.second],
            "reading": self.reading,
            "views": [
                {"name": view.name, "columns": view.columns, "methods": _as_dicts(view.estimates)}
                for view in self.views
            ],
            "classes": None
            if self.classes is None
            else [
                {
                    "id": one.land_class.id,
                    "name": one.land_class.name,
                    "samples": one.samples,
                    "blocks": one.blocks,
                    "sensors": _as_dicts(one.estimates) if one.estimates else None,
                }
                for one in self.classes
            ],
            "data": dict(self.data),
        }


def _as_dicts(estimates: Mapping[str, CorrelationEstimate]) -> dict[str, Any]:
    return {name: _as_dict(estimate) for name, estimate in estimates.items()}


def _as_dict(found: CorrelationEstimate) -> dict[str, Any]:
    return {**found.as_dict(), "shown": is_shown(found)}


def correlate_scene(
    scene: Scene,
    between: tuple[str, str],
    *,
    target_classes: bool = False,
    method: Nonlinear = "ace",
    samples: int = 20_000,
    block: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Study:
    """How much one sensor of a scene tells about another, at which scales, and about which classes.

    One sensor is taken at the pixel. The other, the one that maps are made from if it is among the two and
    else the second, is taken at the pixel, as means and standard deviations in windows around it, and all
    together. At most `MAX_WINDOWS` windows of the scene are read, drawn at random. Pixels whose window
    holds a test pixel are left out. Folds, intervals and nulls go by blocks;
    pixels whose window would reach into another block are left out.

    Args:
        scene: With both sensors.
        between: Names of two modalities.
        target_classes: Whether to correlate each sensor with each class, on training labels.
        method: The nonlinear estimator.
        samples: Most pairs of pixels.
        block: Side of a block in pixels; None takes the largest that gives enough blocks.
        seed: Of every random draw.
        progress: Told of every step.

    Raises:
        UsageError: The two modalities are one.
        SceneError: No such modality.
        TrainingDataError: Too few pixels have both sensors away from test pixels.
        LabelError: Classes are asked for and the scene has no training labels.
    """
    if between[0] == between[1]:
        raise UsageError(f"{option('between', ' '.join(between))}: expected two different modalities")
    for name in between:
        scene.modality(name)
    if target_classes and not scene.has_labels("train"):
        raise LabelError(f"{scene.folder}: no training labels, which classes are correlated with")
    second = scene.target if scene.target in between else between[1]
    first = next(name for name in between if name != second)
    pair = pair_of(scene, first, second, samples=samples, block=block, seed=seed, progress=progress)
    x, windows = pair.views(pair.positions, pair.sides)
    groups = pair.layout.blocks(pair.positions)
    named = {_window_name(side): columns for side, columns in windows.items()}
    if len(named) > 1:
        named["all of these"] = np.concatenate(list(windows.values()), axis=1)
    views = _views(x, named, groups, method, seed, progress)
    data: dict[str, Any] = {
        "scene": scene.name,
        "simulated": scene.simulated,
        "samples": len(pair.positions),
        "candidates": pair.seen,
        "assumptions": [str(one) for one in pair.assumptions],
        "blocks": int(groups.max()) + 1,
        "block_pixels": pair.layout.side,
        "windows": list(pair.sides),
        "seed": seed,
    }
    classes = None
    if target_classes:
        classes, layout = correlate_classes(
            scene, pair, method=method, block=block, seed=seed, progress=progress
        )
        data["class_block_pixels"] = layout.side
    return Study(first, second, method, views, classes, data)


def correlate_arrays(
    x: Path | str,
    y: Path | str,
    *,
    blocks: Path | str | None = None,
    method: Nonlinear = "ace",
    samples: int = 20_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Study:
    """How much the columns of one .npy file tell about those of another, row by row.

    Args:
        x: (n, dx) floats.
        y: (n, dy) floats.
        blocks: n integers: rows of one block are alike, and stay together in folds, intervals and nulls.
            None takes rows to be exchangeable.
        method: The nonlinear estimator.
        samples: Most rows, drawn at random.
        seed: Of every random draw.
        progress: Told of every step.

    Raises:
        UsageError: A file that is no .npy file of such numbers; the message says what was found.
        FeatureError: Too few rows or blocks.
    """
    x, y = Path(x), Path(y)
    blocks = None if blocks is None else Path(blocks)
    pairs = read_pairs(x, y, blocks, samples, seed)
    views = _views(pairs.x, {y.name: pairs.y}, pairs.blocks, method, seed, progress)
    data = {
        "x": str(x),
        "y": str(y),
        "rows": pairs.rows,
        "dropped_rows": pairs.dropped,
        "samples": len(pairs.x),
        "blocks": None if pairs.blocks is None else len(np.unique(pairs.blocks)),
        "seed": seed,
    }
    return Study(x.name, y.name, method, views, None, data)


def _window_name(side: int) -> str:
    return "pixel" if side == 1 else f"{side} x {side}"


def _views(
    x: FloatArray,
    named: Mapping[str, FloatArray],
    groups: BlockIds | None,
    method: Nonlinear,
    seed: int,
    progress: Progress | None,
) -> tuple[View, ...]:
    methods: tuple[Nonlinear | Literal["cca"], ...] = ("cca", method)
    views: list[View] = []
    for name, y in named.items():
        estimates: dict[str, CorrelationEstimate] = {}
        for one in methods:
            if progress is not None:
                done = len(methods) * len(views) + len(estimates)
                progress(done, len(methods) * len(named), f"estimating by {one}: {name}")
            estimates[one] = estimate(x, y, one, components=COMPONENTS, groups=groups, seed=seed)
        views.append(View(name, (x.shape[1], y.shape[1]), estimates))
    return tuple(views)
