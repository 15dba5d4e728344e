"""What a training gives to whoever asked for it from Python: figures by name, and the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from geo_xmodal.accuracy import MEASURES
from geo_xmodal.mapping import Model, load_model


@dataclass(frozen=True)
class Figure:
    """A measure over seeds, as a fraction.

    Attributes:
        mean: None where a seed lacks it.
        sd: Standard deviation (ddof=1) over seeds; None of one seed.
    """

    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class Accuracies:
    """Accuracy on test pixels.

    Attributes:
        oa: Overall accuracy.
        aa: Average accuracy: the mean of the classes' producer's accuracies.
        kappa: Cohen's kappa.
        miou: Mean intersection over union.
        macro_f1: Mean F1 of the classes.
        ece: Expected calibration error.
    """

    oa: Figure
    aa: Figure
    kappa: Figure
    miou: Figure
    macro_f1: Figure
    ece: Figure

    @classmethod
    def of(cls, scores: Mapping[str, Any]) -> Accuracies:
        """From metrics.json, or what it holds of a control or a scene; one seed has no deviations."""
        spread = scores.get("sd", {})
        return cls(**{one.name: Figure(scores.get(one.name), spread.get(one.name)) for one in fields(cls)})


@dataclass(frozen=True)
class ClassAccuracy:
    """One class on test pixels; fractions, None where a measure is 0/0.

    Attributes:
        id: In maps.
        name: Of the class.
        precision: User's accuracy.
        recall: Producer's accuracy.
        f1: Their harmonic mean.
        iou: Intersection over union.
        support: Test pixels of the class.
    """

    id: int
    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    iou: float | None
    support: int


@dataclass(frozen=True)
class Gain:
    """What the auxiliary sensor is worth in one measure, over a control: a difference of fractions.

    Attributes:
        mean: Over seeds, paired.
        se: Its standard error; None of one seed.
    """

    mean: float | None
    se: float | None


@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Attributes:
        folder: The run folder.
        accuracy: On all test pixels.
        classes: Of each class, over all seeds.
        confusion: Rows are the reference, columns the map; means over seeds.
        test_pixels: How many there are.
        controls: Accuracy of each control.
        gains: Of each control, the gain in each measure.
        scenes: Accuracy on each of several scenes; empty for one.
        shares: What the model's maps are right about; None of earlier versions.
        choices: Accuracy for every choice of class shares that can be had.
        notes: What should be known beside the figures.
        assumptions: What was taken for granted about the files.
        metrics: The content of metrics.json.
    """

    folder: Path
    accuracy: Accuracies
    classes: tuple[ClassAccuracy, ...]
    confusion: tuple[tuple[float, ...], ...]
    test_pixels: int
    controls: Mapping[str, Accuracies]
    gains: Mapping[str, Mapping[str, Gain]]
    scenes: Mapping[str, Accuracies]
    shares: str | None
    choices: Mapping[str, Accuracies]
    notes: tuple[str, ...]
    assumptions: tuple[str, ...]
    metrics: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path, metrics: Mapping[str, Any]) -> TrainedRun:
        """A run from its folder and the content of its metrics.json."""
        gains: Mapping[str, Mapping[str, Mapping[str, float | None]]] = metrics.get("gain", {})
        return cls(
            folder=folder,
            accuracy=Accuracies.of(metrics),
            classes=tuple(_class(one) for one in metrics["per_class"]),
            confusion=tuple(tuple(row) for row in metrics["confusion"]),
            test_pixels=metrics["n"],
            controls={name: Accuracies.of(one) for name, one in metrics.get("controls", {}).items()},
            gains={name: {key: Gain(**one[key]) for key in MEASURES} for name, one in gains.items()},
            scenes={name: Accuracies.of(one) for name, one in metrics.get("scenes", {}).items()},
            shares=metrics.get("shares", {}).get("chosen"),
            choices={
                name: Accuracies.of(one)
                for name, one in metrics.get("shares", {}).get("choices", {}).items()
                if "refused" not in one
            },
            notes=_texts(metrics, "notes"),
            assumptions=_texts(metrics, "assumptions"),
            metrics=metrics,
        )

    @property
    def model(self) -> Model:
        """The model that ships with the run, that of its first seed, read from its folder."""
        return load_model(self.folder)


def _class(one: Mapping[str, Any]) -> ClassAccuracy:
    return ClassAccuracy(**{each.name: one[each.name] for each in fields(ClassAccuracy)})


def _texts(metrics: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found: Sequence[Any] = metrics.get(key, ())
    return tuple(str(one) for one in found)
