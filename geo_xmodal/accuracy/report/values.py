"""What a report is made of: plain values that anybody can fill in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from geo_xmodal.accuracy.areas import AreaEstimates
from geo_xmodal.accuracy.calibration import ReliabilityBin
from geo_xmodal.types import LandClass


@dataclass(frozen=True)
class Groups:
    """How many pixels each group of training data had."""

    labelled_pairs: int
    labelled_target: int
    unlabelled_pairs: int
    unlabelled_target: int
    validation: int = 0


@dataclass(frozen=True)
class Curve:
    """A finite value against epochs; at least one."""

    name: str
    epochs: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values or len(self.values) != len(self.epochs):
            raise ValueError(f"curve {self.name}: {len(self.values)} values for {len(self.epochs)} epochs")
        if not all(math.isfinite(number) for number in (*self.epochs, *self.values)):
            raise ValueError(f"curve {self.name} holds values that are not finite: leave them out")


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of the scene.

    Attributes:
        pixels: (row, col) uint8 class ids, drawn in the colours of the legend (0 = no data, left blank),
            or (row, col, 3) or (row, col, 4) uint8 colours. Large scenes should come reduced.
        caption: what it shows.
        pixel_size: metres a pixel of the picture, for the scale bar; None draws none.
    """

    pixels: npt.NDArray[np.uint8]
    caption: str
    pixel_size: float | None = None

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        classes = len(shape) == 2
        colours = len(shape) == 3 and shape[2] in (3, 4)
        if self.pixels.dtype != np.uint8 or not (classes or colours) or 0 in shape:
            raise ValueError(
                "a picture is (row, col) class ids or (row, col, 3 or 4) colours in uint8, "
                f"got {self.pixels.dtype} {shape}"
            )


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on the page. A section whose values are absent (empty or None) is left out.

    Attributes:
        title: heading of the page.
        classes: the legend, in the order of the confusion matrix.
        runs: `Metrics` of each seed (as metrics.json), or of the one evaluation.
        seeds: the seed of each run, same length as `runs`; empty for a map that was not trained here.
        method: how the runs are called beside their controls.
        simulated: whether the scene is simulated; None where nobody knows.
        transductive: whether test pixels took part in training, unlabelled.
        description: what the run was: scene, modalities, margin, versions...; shown in this order.
        command: the command line that gives this result again.
        explained_by: the command line that explains the model, in a folder beside the page; empty for none.
        groups: sizes of the four groups of training data.
        overlap_share: share of test patches that touch a training patch, 0-1.
        unmapped: reference pixels where the map has no data.
        controls: `Metrics` of each control's runs, paired with `runs` seed by seed.
        control_summaries: what a control is, by its name.
        scenes: what each of several scenes is here, by its name; the measures of those that were tested are
            in `runs` and `controls`, under the same names.
        joined_classes: of several scenes, which class of which scene became which (`id`, `name`, `scenes`:
            the scene's own id by its name).
        notes: what should be known beside the gain, a line each.
        choice: how the method that maps was chosen, as metrics.json has it (docs/file-formats.md).
        losses: loss terms over epochs.
        validation: accuracy on validation pixels over epochs, fractions.
        reliability: the bins of a `Calibration`.
        map: the classified map.
        mapped_pixels: class id to number of pixels in the whole map; None counts those of the picture.
        pictures: others to see beside the map: reference labels, the target sensor.
        areas: estimates from a probability sample.
        area_unit: the unit of those areas.
    """

    title: str
    classes: tuple[LandClass, ...]
    runs: tuple[Mapping[str, Any], ...] = ()
    seeds: tuple[int, ...] = ()
    method: str = "this map"
    simulated: bool | None = None
    transductive: bool = False
    description: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    explained_by: str = ""
    groups: Groups | None = None
    overlap_share: float | None = None
    unmapped: int = 0
    controls: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    control_summaries: Mapping[str, str] = field(default_factory=dict)
    scenes: Mapping[str, str] = field(default_factory=dict)
    joined_classes: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    choice: Mapping[str, Any] | None = None
    losses: tuple[Curve, ...] = ()
    validation: tuple[Curve, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()
    map: Picture | None = None
    mapped_pixels: Mapping[int, int] | None = None
    pictures: tuple[Picture, ...] = ()
    areas: AreaEstimates | None = None
    area_unit: str = "ha"


def curves_from_log(rows: Sequence[Mapping[str, Any]], step: str = "epoch") -> tuple[Curve, ...]:
    """A curve for every number in rows of a log, against `step`.

    Rows without `step` are left out, and so are values that are not finite numbers; a mapping in a row
    gives a curve for each of its entries, named by the entry.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if not _is_number(row.get(step)):
            continue
        flat: dict[str, Any] = {}
        for key, value in row.items():
            flat.update(value if isinstance(value, Mapping) else {key: value})
        for key, value in flat.items():
            if key != step and _is_number(value):
                points.setdefault(key, []).append((float(row[step]), float(value)))
    return tuple(
        Curve(name, tuple(epoch for epoch, _ in line), tuple(value for _, value in line))
        for name, line in points.items()
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
