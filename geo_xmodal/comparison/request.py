"""What a comparison is asked, and which runs that takes: every distinct run once, on common pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from geo_xmodal.accuracy import scores_with
from geo_xmodal.class_shares import Choice
from geo_xmodal.errors import TrainingDataError, UsageError
from geo_xmodal.methods import METHODS, Method, Options
from geo_xmodal.methods.cnn import SelfTrainingOptions, control_options
from geo_xmodal.samples import DataOptions, GatherOptions
from geo_xmodal.scenes import Member, Scene, SceneSet
from geo_xmodal.training import request as training
from geo_xmodal.training.checkpoint import fingerprint
from geo_xmodal.training.engine import Device, Precision
from geo_xmodal.training.request import Variant
from geo_xmodal.types import TrainingData

DEFAULT_REFERENCE = "hgr"
"""The method that the others are tested against where nobody names one, if it takes part."""

WHOLE = "whole"
"""The row of an ablation from which nothing is taken, where the method has no name for it."""

Study = Literal["ablation", "noise"]


class CompareRequest(BaseModel):
    """A `compare` command, as asked.

    Attributes:
        methods: names; none stands for every method there is.
        target: the sensor to map from; None is the scene's.
        seeds: how many seeds, from `seed` on, each with all methods.
        epochs: of every method that has epochs.
        options: of methods by name (`METHODS[name].Options`); what is not given follows the recipe for the
            target sensor, or is the default.
        data: which pixels train, the same for all.
        settings: the same as texts, as the command line has them: `key` for every method that has it,
            `METHOD.key` for one of them.
        reference: the method that the others are tested against; None takes `hgr`, or else the first.
        studies: beside the table, what each part of a method is worth (`ablation`), and how the models bear
            noise at test time (`noise`).
        device: what trains.
        precision: of activations in training.
        hold_out: names of scenes that only test.
        leave_one_scene_out: train once for each scene with labels, on the others, and test on it.
        shares: what figures and maps should be right about: `labels`, `equal` or `estimated`, as in
            `TrainRequest`; runs that are there are not trained again for it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    methods: tuple[str, ...] = ()
    target: str | None = None
    seeds: int = Field(5, ge=1, le=1000)
    seed: int = Field(0, ge=0)
    epochs: int | None = Field(None, ge=1)
    options: dict[str, SerializeAsAny[Options]] = Field(default_factory=dict)
    data: DataOptions | None = None
    settings: dict[str, str] = Field(default_factory=dict)
    reference: str | None = None
    studies: tuple[Study, ...] = ()
    device: Device = "auto"
    precision: Precision = "float32"
    hold_out: tuple[str, ...] = ()
    leave_one_scene_out: bool = False
    shares: Literal["labels", "equal", "estimated"] | None = None

    @property
    def common(self) -> dict[str, Any]:
        """Settings for all methods, however they were given.

        Raises:
            UsageError: one is given twice.
        """
        texts = {key: value for key, value in self.settings.items() if "." not in key}
        parts = [*training.given_options(self.data), texts]
        return training.asked_settings(training.joined_settings(parts), self.epochs, self.target)


@dataclass(frozen=True)
class Fold:
    """Scenes to train on and to test on.

    Attributes:
        scenes: all of them.
        left_out: the one that all figures are of, where each is left out in turn; None for all together.
        shares: what all figures and maps are right about; None follows from the labels.
    """

    scenes: SceneSet
    left_out: str | None = None
    shares: Choice | None = None

    @property
    def judged(self) -> tuple[Member, ...]:
        """The scenes that all figures are of."""
        if self.left_out is None:
            return self.scenes.members
        return tuple(one for one in self.scenes.members if one.name == self.left_out)

    def scores(self, metrics: Mapping[str, Any]) -> Mapping[str, Any]:
        """What of a run's metrics counts."""
        chosen = metrics if self.shares is None else scores_with(metrics, self.shares)
        return chosen if self.left_out is None else chosen["scenes"][self.left_out]


@dataclass(frozen=True)
class Cell:
    """One variant with resolved options on the pixels of `gather`: one run a seed, whoever asks for it."""

    variant: Variant
    gather: GatherOptions

    @property
    def transductive(self) -> bool:
        """Whether test pixels may be among the unlabelled ones."""
        return self.gather.transductive

    @property
    def name(self) -> str:
        """A folder for it: what is asked for otherwise has another."""
        described = {
            "method": self.variant.method.name,
            "options": self.variant.options.model_dump(mode="json"),
            "data": self.gather.model_dump(mode="json", exclude={"seed"}),
        }
        return f"{self.variant.name}-{fingerprint(described)}"


@dataclass(frozen=True)
class Row:
    """A method of the table with its controls by name; a method without the auxiliary sensor has none."""

    method: Method
    cell: Cell
    controls: Mapping[str, Cell]


@dataclass(frozen=True)
class ComparisonPlan:
    """A request with everything resolved.

    Attributes:
        rows: the methods, as asked, by name.
        ablation: for each method of the ablation study, its rows by name; one is the whole method.
        noise: rows of the noise study by name.
        reference: name of the method that the others are tested against.
        seeds: of every run.
        settings: as asked, as texts.
        notes: what should be known beside the result, a line each.
    """

    rows: Mapping[str, Row]
    ablation: Mapping[str, Mapping[str, Cell]]
    noise: Mapping[str, Cell]
    reference: str
    seeds: tuple[int, ...]
    settings: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def gather(self) -> GatherOptions:
        """Which pixels all learn from (but a method that asks for test pixels), for any seed."""
        return next(iter(self.rows.values())).cell.gather

    def cells(self) -> tuple[Cell, ...]:
        """Every distinct run of a seed; what several ask for comes once."""
        asked = [
            *(cell for row in self.rows.values() for cell in (row.cell, *row.controls.values())),
            *(cell for rows in self.ablation.values() for cell in rows.values()),
            *self.noise.values(),
        ]
        return tuple({cell.name: cell for cell in asked}.values())


def resolve_folds(scenes: Scene | Sequence[Scene], request: CompareRequest) -> tuple[Fold, ...]:
    """The scenes as they are asked for: once, or once for each that is left out.

    Raises:
        UsageError: there are not two scenes with labels to leave out in turn.
        SceneError, LabelError: as `geo_xmodal.scenes.join_scenes`.
    """
    if request.leave_one_scene_out and request.hold_out:
        raise UsageError("--hold-out and --leave-one-scene-out: give one of them")
    together = training.scenes_for(scenes, request.common, request.hold_out)
    if not request.leave_one_scene_out:
        return (Fold(together, shares=request.shares),)
    labelled = [one.name for one in together.members if one.has_labels]
    if len(labelled) < 2:
        raise UsageError(
            f"--leave-one-scene-out needs two scenes with labels or more, got {', '.join(labelled) or 'none'}"
        )
    return tuple(
        Fold(training.scenes_for(scenes, request.common, (name,)), name, request.shares) for name in labelled
    )


def resolve_comparison(request: CompareRequest, kind: str, single_pixels: bool = False) -> ComparisonPlan:
    """Match every setting to the methods or to the data, and find which runs there are.

    Args:
        request: as asked.
        kind: of the target sensor: methods may have recipes for it.
        single_pixels: the samples have no pixels around them: methods may have settings for that.

    Raises:
        UsageError: an unknown or repeated method, an unknown setting or study, or a value that cannot be.
    """
    methods = {name: training.find_method(name) for name in request.methods or METHODS}
    if twice := [name for name in methods if request.methods.count(name) > 1]:
        raise UsageError(f"method '{twice[0]}' is given twice: give each method once")
    common, own = _settings(request, methods)
    variants = {
        name: Variant(name, method, training.options_for(method, common | own[name], kind, single_pixels))
        for name, method in methods.items()
    }
    controls = {name: training.control_variants(variant) for name, variant in variants.items()}
    ablation = {
        name: _ablation(variants[name], common | own[name], kind, single_pixels)
        for name, method in methods.items()
        if method.ablation and ("ablation" in request.studies or "noise" in request.studies)
    }
    if "ablation" in request.studies and not ablation:
        able = ", ".join(name for name, method in METHODS.items() if method.ablation) or "none"
        raise UsageError(f"--study ablation: none of {', '.join(methods)} says what its parts are; {able} do")
    everything = (
        *variants.values(),
        *(one for several in controls.values() for one in several),
        *(one for several in ablation.values() for one in several.values()),
    )
    place = _Placing(common, everything, tuple(methods.values()), request.seed)
    cells = {name: place(variant, variant.options) for name, variant in variants.items()}
    rows = {
        name: Row(
            method, cells[name], {one.name: place(one, variants[name].options) for one in controls[name]}
        )
        for name, method in methods.items()
    }
    parts = {
        name: {row: place(one, one.options) for row, one in several.items()}
        for name, several in ablation.items()
    }
    noise = _noise_rows(methods, cells, parts) if "noise" in request.studies else {}
    return ComparisonPlan(
        rows,
        parts if "ablation" in request.studies else {},
        noise,
        _reference(request, methods),
        tuple(range(request.seed, request.seed + request.seeds)),
        training.as_texts(
            common | {f"{name}.{key}": value for name in own for key, value in own[name].items()}
        ),
    )


def checked_comparison(plan: ComparisonPlan, data: Mapping[bool, TrainingData]) -> ComparisonPlan:
    """The plan without controls that cannot be trained on `data`, which its notes name.

    Args:
        plan: as resolved.
        data: pixels of the first seed, without and with test pixels among the unlabelled ones.

    Raises:
        TrainingDataError: a method, or a row of a study, cannot be trained.
    """
    rows, notes = {}, list(plan.notes)
    for name, row in plan.rows.items():
        row.cell.variant.check(data[row.cell.transductive])
        possible = {}
        for control, cell in row.controls.items():
            try:
                cell.variant.check(data[cell.transductive])
            except TrainingDataError as error:
                notes.append(f"Control {control} of {name} is left out: {error}.")
            else:
                possible[control] = cell
        rows[name] = dataclasses.replace(row, controls=possible)
    for cell in (cell for several in plan.ablation.values() for cell in several.values()):
        cell.variant.check(data[cell.transductive])
    return dataclasses.replace(plan, rows=rows, notes=tuple(notes))


def _settings(
    request: CompareRequest, methods: Mapping[str, Method]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Settings for all, and those of one method each."""
    common = request.common
    training.check_settings(common, methods, "this comparison")
    own: dict[str, dict[str, Any]] = {name: {} for name in methods}
    for name, options in request.options.items():
        if name not in methods or not isinstance(options, methods[name].Options):
            raise UsageError(
                f"options of '{name}' are {type(options).__name__}; methods take part as "
                f"{', '.join(f'{one}: {method.Options.__name__}' for one, method in methods.items())}"
            )
        own[name] |= options.model_dump(exclude_unset=True)
    for key, value in request.settings.items():
        name, dot, setting = key.partition(".")
        if not dot:
            continue
        if name not in methods:
            near = training.near_match(name, list(methods))
            raise UsageError(
                f"--set {key}={value}: '{name}' takes no part{near}; those that do are {', '.join(methods)}"
            )
        if setting in training.DATA_SETTINGS:
            raise UsageError(
                f"--set {key}={value}: all methods learn from the same pixels; give --set {setting}={value}"
            )
        training.check_settings([setting], {name: methods[name]}, name)
        own[name] = training.joined_settings([own[name], {setting: value}])
    return common, own


def _ablation(
    whole: Variant, settings: Mapping[str, Any], kind: str, single_pixels: bool
) -> dict[str, Variant]:
    """The whole method and what is left of it; a row that the settings make the whole is left out."""
    named = whole.method.ablation
    rows = {} if {} in named.values() else {WHOLE: whole}
    for name, changes in named.items():
        options = training.options_for(whole.method, {**settings, **changes}, kind, single_pixels)
        if not changes or options != whole.options:
            rows[name] = Variant(whole.name, whole.method, options)
    return rows


class _Placing:
    """Puts variants on pixels: the same for all, but with test pixels among them where a method asks so."""

    def __init__(
        self, common: Mapping[str, Any], variants: Sequence[Variant], methods: Sequence[Method], seed: int
    ) -> None:
        own = {key for variant in variants for key in variant.method.Options.model_fields}
        data = {key: value for key, value in common.items() if key not in own}
        inductive = [variant for variant in variants if not variant.options.transductive] or variants
        gather = training.gather_options(data, inductive, methods, seed, "all methods")
        self._gather = gather.model_copy(
            update={
                "margin": max(variant.options.margin for variant in variants),
                "rich_margin": max(variant.options.rich_margin for variant in variants),
            }
        )

    def __call__(self, variant: Variant, asking: Options) -> Cell:
        """The cell of a variant; `asking` are the options of the method whose protocol it follows."""
        legacy = {"transductive": True, "unlabelled_from": "test"} if asking.transductive else {}
        return Cell(_canonical(variant), self._gather.model_copy(update=legacy))


def _canonical(variant: Variant) -> Variant:
    """Whoever asks for a run, as method or as control, asks for it alike, so that both are one run."""
    options = variant.options
    if isinstance(options, SelfTrainingOptions):
        return Variant(options.mode, variant.method, control_options(options, options.mode))
    return Variant(variant.method.name, variant.method, options)


def _noise_rows(
    methods: Mapping[str, Method], cells: Mapping[str, Cell], parts: Mapping[str, Mapping[str, Cell]]
) -> dict[str, Cell]:
    rows: dict[str, Cell] = {}
    for name, method in methods.items():
        rows[name] = cells[name]
        rows |= {f"{name}, {row}": parts[name][row] for row in method.noise_rows if row in parts[name]}
    return rows


def _reference(request: CompareRequest, methods: Iterable[str]) -> str:
    names = list(methods)
    if request.reference is None:
        return DEFAULT_REFERENCE if DEFAULT_REFERENCE in names else names[0]
    if request.reference not in names:
        near = training.near_match(request.reference, names)
        raise UsageError(
            f"--reference {request.reference} is none of the methods{near}: choose one of {', '.join(names)}"
        )
    return request.reference
