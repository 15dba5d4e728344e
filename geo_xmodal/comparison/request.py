"""What a comparison is asked, and which runs that takes: every distinct run once, on common pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field, SerializeAsAny

from geo_xmodal.accuracy import scores_with
from geo_xmodal.class_shares import Choice
from geo_xmodal.errors import TrainingDataError, UsageError
from geo_xmodal.methods import METHODS, Method, Options
from geo_xmodal.methods.cnn import SelfTrainingOptions, control_options
from geo_xmodal.methods.means import COMMON_MEANS, TUNED, means_not_taken, taken_means
from geo_xmodal.methods.pretrained_start import Start
from geo_xmodal.named_options import option
from geo_xmodal.old_names import Settings
from geo_xmodal.requests import CompareOptions
from geo_xmodal.requests.comparing import Study as Study
from geo_xmodal.samples import DataOptions, GatherOptions
from geo_xmodal.scenes import Member, Scene, SceneSet
from geo_xmodal.training import request as training
from geo_xmodal.training.checkpoint import fingerprint
from geo_xmodal.training.request import Variant
from geo_xmodal.types import TrainingData

DEFAULT_REFERENCE = "hgr"
"""The method whose gain the others' are tested against where nobody names one, if it takes part."""

GAIN_OVER = "target_only"
"""The control over which a gain is what the auxiliary sensor is worth: the same, learnt without it."""

CEILING = "ceiling"
"""Name of the row of a classifier that sees both sensors at test time: no method, as it maps nothing."""

NO_PRETRAINING = "no_pretraining"
"""The control of a row that starts from a pretraining: the same settings, from random weights."""

WHOLE = "whole"
"""The row of an ablation from which nothing is taken, where the method has no name for it."""

MeansName = Literal["published", "equal"]
"""Means of a table: each method's own recipe, or the same for all that can take them."""


class CompareRequest(CompareOptions):
    """A `compare` command, as asked of scenes; `CompareOptions` has the rest of its fields.

    Attributes:
        methods: names; none stands for every method there is, and `ceiling`, a classifier that sees both
            sensors at test time.
        options: of methods by name (`METHODS[name].Options`); what is not given follows the recipe for the
            target sensor, or is the default.
        data: which pixels train, the same for all.
        settings: the same as texts, as the command line has them: `key` for every method that has it,
            `METHOD.key` for one of them.
        studies: beside the table, what each part of a method is worth (`ablation`), and how the models bear
            noise at test time (`noise`).
    """

    methods: tuple[str, ...] = ()
    options: dict[str, SerializeAsAny[Options]] = Field(default_factory=dict)
    data: DataOptions | None = None
    settings: Settings = Field(default_factory=dict)
    studies: tuple[Study, ...] = ()

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
    """One variant with resolved options on the pixels of `gather`: one run a seed, whoever asks for it.

    Attributes:
        variant: what is trained.
        gather: which pixels it learns from.
        trials: how many settings are tried on validation blocks first.
        fixed: options that trials do not change.
        start: the pretrained encoder that it starts from, or chooses whether to.
    """

    variant: Variant
    gather: GatherOptions
    trials: int = 1
    fixed: tuple[str, ...] = ()
    start: Start | None = None

    @property
    def space(self) -> Mapping[str, tuple[str, ...]]:
        """Values of options that trials may take; none where there is one trial."""
        space = self.variant.options.search_space() if self.trials > 1 else {}
        return {name: values for name, values in space.items() if name not in self.fixed}

    @property
    def transductive(self) -> bool:
        """Whether test pixels may be among the unlabelled ones, here or in the pretraining."""
        return self.gather.transductive or (self.start is not None and self.start.card.transductive)

    def seen(self, pixels: Mapping[bool, TrainingData]) -> TrainingData:
        """What it learns from, of pixels without and with test pixels among the unlabelled ones.

        Raises:
            ModelMismatchError: What it starts from has seen other bands.
        """
        return self.variant.seen(self._started(pixels))

    def check(self, pixels: Mapping[bool, TrainingData]) -> None:
        """See that pixels, of which it learns what it sees, suffice.

        Raises:
            TrainingDataError: They do not.
            ModelMismatchError: As `seen`.
        """
        self.variant.check(self._started(pixels))

    def _started(self, pixels: Mapping[bool, TrainingData]) -> TrainingData:
        data = pixels[self.gather.transductive]
        return data if self.start is None else self.start.seen_by(self.variant.method, data)

    @property
    def name(self) -> str:
        """A folder for it: what is asked for otherwise has another."""
        described: dict[str, Any] = {
            "method": self.variant.method.name,
            "options": self.variant.options.model_dump(mode="json"),
            "data": self.gather.model_dump(mode="json", exclude={"seed"}),
        }
        if self.start is not None:
            described["start"] = self.start.entry.encoder_sha256
        if self.space:  # what is tried is part of what it is
            described |= {"trials": self.trials, "space": self.space}
        return f"{self.variant.name}-{fingerprint(described)}"


@dataclass(frozen=True)
class Row:
    """A method of a table with its controls by name, and what these are.

    A method without the auxiliary sensor has none, but where it starts from a pretraining.
    """

    method: Method
    cell: Cell
    controls: Mapping[str, Cell]
    summaries: Mapping[str, str] = field(default_factory=dict)

    @property
    def gains(self) -> bool:
        """Whether there is a control over which a gain is what the auxiliary sensor is worth."""
        return GAIN_OVER in self.controls


@dataclass(frozen=True)
class TablePlan:
    """One table of a comparison.

    Attributes:
        rows: the methods, as asked, by name.
        reference: name of the method whose gain the others' are tested against; None where none has a gain.
        ceiling: the classifier that sees both sensors at test time, where it is asked for.
        means: what all methods take that can, as settings; empty for recipes as published.
        not_taken: names of the means that each method would need and cannot take.
    """

    rows: Mapping[str, Row]
    reference: str | None
    ceiling: Cell | None = None
    means: Mapping[str, str] = field(default_factory=dict)
    not_taken: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparisonPlan:
    """A request with everything resolved.

    Attributes:
        tables: by their means, the first one first; studies, maps and features are of its methods.
        ablation: for each method of the ablation study, its rows by name; one is the whole method.
        noise: rows of the noise study by name.
        seeds: of every run.
        settings: as asked, as texts.
        trials: settings that each method may try.
        notes: what should be known beside the result, a line each.
    """

    tables: Mapping[MeansName, TablePlan]
    ablation: Mapping[str, Mapping[str, Cell]]
    noise: Mapping[str, Cell]
    seeds: tuple[int, ...]
    settings: Mapping[str, str]
    trials: int = 1
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> TablePlan:
        """The first table."""
        return next(iter(self.tables.values()))

    @property
    def rows(self) -> Mapping[str, Row]:
        """The methods of the first table."""
        return self.table.rows

    @property
    def gather(self) -> GatherOptions:
        """Which pixels all learn from (but a method that asks for test pixels), for any seed."""
        return next(iter(self.rows.values())).cell.gather

    def ceilings(self) -> tuple[Cell, ...]:
        """The classifiers that see both sensors, of all tables, each once."""
        cells = [table.ceiling for table in self.tables.values() if table.ceiling is not None]
        return tuple({cell.name: cell for cell in cells}.values())

    def cells(self) -> tuple[Cell, ...]:
        """Every distinct run of a seed; what several ask for comes once."""
        rows = [row for table in self.tables.values() for row in table.rows.values()]
        asked = [
            *(cell for row in rows for cell in (row.cell, *row.controls.values())),
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
        raise UsageError(f"{option('hold_out')} and {option('leave_one_scene_out')}: give one of them")
    together = training.scenes_for(scenes, request.common, request.hold_out)
    if not request.leave_one_scene_out:
        return (Fold(together, shares=request.shares),)
    labelled = [one.name for one in together.members if one.has_labels]
    if len(labelled) < 2:
        raise UsageError(
            f"{option('leave_one_scene_out')} needs two scenes with labels or more, got "
            f"{', '.join(labelled) or 'none'}"
        )
    return tuple(
        Fold(training.scenes_for(scenes, request.common, (name,)), name, request.shares) for name in labelled
    )


def resolve_comparison(
    request: CompareRequest, kind: str, single_pixels: bool = False, starts: Sequence[Start] = ()
) -> ComparisonPlan:
    """Match every setting to the methods or to the data, and find which runs there are.

    Args:
        request: as asked.
        kind: of the target sensor: methods may have recipes for it.
        single_pixels: the samples have no pixels around them: methods may have settings for that.
        starts: pretrained encoders; each method that can start from one has a row more for it.

    Raises:
        UsageError: an unknown or repeated method, an unknown setting or study, or a value that cannot be; no
            method starts from one of `starts`.
    """
    able = [name for name, method in METHODS.items() if not (single_pixels and method.needs_windows)]
    names = request.methods or (*able, CEILING)
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"method '{twice[0]}' is given twice: give each method once")
    methods = {name: training.find_method(name) for name in names if name != CEILING}
    joint = training.find_method(request.ceiling) if CEILING in names else None
    if not methods:
        raise UsageError(f"'{CEILING}' alone is no comparison: name a method beside it")
    taking_part = methods if joint is None else methods | {CEILING: joint}
    common, own = _settings(request, taking_part)
    asked: tuple[MeansName, ...] = ("published", "equal") if request.means == "both" else (request.means,)
    target = _Target(kind, single_pixels)
    recipes = {means: _Recipe(means, methods, common, own, target, joint, starts) for means in asked}
    first = recipes[asked[0]]
    ablation = {
        name: _ablation(first.variants[name], first.settings[name], target)
        for name, method in methods.items()
        if method.ablation and ("ablation" in request.studies or "noise" in request.studies)
    }
    if "ablation" in request.studies and not ablation:
        parted = ", ".join(name for name, method in METHODS.items() if method.ablation) or "none"
        raise UsageError(
            f"{option('study', 'ablation')}: none of {', '.join(methods)} says what its parts are; "
            f"{parted} do"
        )
    everything = (
        *(one for recipe in recipes.values() for one in recipe.everything()),
        *(one for several in ablation.values() for one in several.values()),
    )
    place = _Placing(common, everything, tuple(methods.values()), request.seed, max(1, request.trials))
    tables = {means: recipe.placed(place, request) for means, recipe in recipes.items()}
    notes = first.notes
    if len(tables) > 1 and _same_cells(*tables.values()):
        del tables["equal"]
        notes = (*notes, "Under equal means these methods are what they are as published: one table.")
    parts = {
        name: {row: place(one, one.options, first.fixed(name, methods[name])) for row, one in several.items()}
        for name, several in ablation.items()
    }
    cells = {name: row.cell for name, row in tables[asked[0]].rows.items()}
    noise = _noise_rows(methods, cells, parts) if "noise" in request.studies else {}
    return ComparisonPlan(
        tables,
        parts if "ablation" in request.studies else {},
        noise,
        tuple(range(request.seed, request.seed + request.seeds)),
        training.as_texts(
            common | {f"{name}.{key}": value for name in own for key, value in own[name].items()}
        ),
        max(1, request.trials),
        notes,
    )


def checked_comparison(plan: ComparisonPlan, data: Mapping[bool, TrainingData]) -> ComparisonPlan:
    """The plan without controls that cannot be trained on `data`, which its notes name.

    Args:
        plan: as resolved.
        data: pixels of the first seed, without and with test pixels among the unlabelled ones.

    Raises:
        TrainingDataError: a method, or a row of a study, cannot be trained.
    """
    notes = list(plan.notes)
    tables = {means: _checked_table(table, data, notes) for means, table in plan.tables.items()}
    for cell in (cell for several in plan.ablation.values() for cell in several.values()):
        cell.check(data)
    return dataclasses.replace(plan, tables=tables, notes=tuple(dict.fromkeys(notes)))


def _checked_table(table: TablePlan, data: Mapping[bool, TrainingData], notes: list[str]) -> TablePlan:
    rows = {}
    for name, row in table.rows.items():
        row.cell.check(data)
        possible = {}
        for control, cell in row.controls.items():
            try:
                cell.check(data)
            except TrainingDataError as error:
                notes.append(f"Control {control} of {name} is left out: {error}.")
            else:
                possible[control] = cell
        rows[name] = dataclasses.replace(row, controls=possible)
    ceiling = table.ceiling
    if ceiling is not None:
        try:
            ceiling.check(data)
        except TrainingDataError as error:
            notes.append(f"The ceiling is left out: {error}.")
            ceiling = None
    return dataclasses.replace(table, rows=rows, ceiling=ceiling)


@dataclass(frozen=True)
class _Target:
    """The target sensor's kind, and whether samples are single pixels: methods may have settings for both."""

    kind: str
    single_pixels: bool

    def options(self, method: Method, settings: Mapping[str, Any]) -> Options:
        """Options of a method for this target."""
        return training.options_for(method, settings, self.kind, self.single_pixels)

    def means(self, method: Method) -> dict[str, str]:
        """What a method takes of the common means, as far as there is anything around a pixel."""
        return taken_means(method) | (method.of_single_pixels() if self.single_pixels else {})


_FROM_RANDOM = "the same settings, from random weights"


@dataclass(frozen=True)
class _Started:
    """A method that starts from a pretraining.

    Attributes:
        of: its name.
        start: the encoder.
        variant: the method, named by both.
        controls: without the auxiliary sensor, from the same encoder.
        plain: the same from random weights.
        settings: names of those that the encoder gives.
    """

    of: str
    start: Start
    variant: Variant
    controls: tuple[Variant, ...]
    plain: Variant
    settings: tuple[str, ...]

    def everything(self) -> tuple[Variant, ...]:
        """All variants."""
        return (self.variant, *self.controls, self.plain)

    def placed(self, place: _Placing, fixed: Callable[[str, Method], tuple[str, ...]]) -> Row:
        """The row."""
        options = self.variant.options

        def kept(method: Method) -> tuple[str, ...]:
            return tuple(dict.fromkeys([*fixed(self.of, method), *self.settings]))

        controls = {one.name: place(one, options, kept(one.method), self.start) for one in self.controls}
        controls[NO_PRETRAINING] = place(self.plain, options, fixed(self.of, self.plain.method))
        return Row(
            self.variant.method,
            place(self.variant, options, kept(self.variant.method), self.start),
            controls,
            {one.name: one.summary for one in (*self.controls, self.plain)},
        )


def named_starts(starts: Sequence[Start]) -> dict[str, Start]:
    """Pretraining runs by what rows call them: names of their folders, or where these are alike, paths."""
    names = [start.run.name for start in starts]
    alike = {name for name in names if names.count(name) > 1}
    return {
        str(start.run) if name in alike else name: start for name, start in zip(names, starts, strict=True)
    }


class _Recipe:
    """The variants of one table: what each method is told under these means."""

    def __init__(
        self,
        means: MeansName,
        methods: Mapping[str, Method],
        common: Mapping[str, Any],
        own: Mapping[str, Mapping[str, Any]],
        target: _Target,
        joint: Method | None,
        starts: Sequence[Start] = (),
    ) -> None:
        self.equal = means == "equal"
        self._given = {name: (*common, *own[name]) for name in methods}
        self.methods = methods
        self.settings = {
            name: (target.means(method) if self.equal else {}) | dict(common) | dict(own[name])
            for name, method in methods.items()
        }
        self.variants = {
            name: Variant(name, method, target.options(method, self.settings[name]))
            for name, method in methods.items()
        }
        self.controls = {name: training.control_variants(one) for name, one in self.variants.items()}
        self.ceiling = None
        if joint is not None:
            self.ceiling = _ceiling(joint, {**common, **own[CEILING]}, target, self.equal)
        self.started: list[_Started] = []
        self.notes: tuple[str, ...] = ()
        for shown, start in named_starts(starts).items():
            given = {name: {**common, **own[name]} for name in methods}
            self._start(start, shown, given, target)

    def _start(
        self, start: Start, shown: str, given: Mapping[str, Mapping[str, Any]], target: _Target
    ) -> None:
        """Add a row for every method that starts from a pretraining, and a note of the others.

        Args:
            start: the encoder.
            shown: what rows call it.
            given: settings of each method that were asked for, which may make its network another one.
            target: the sensor that maps.

        Raises:
            UsageError: no method starts from it.
        """
        cannot: dict[str, str] = {}
        before = len(self.started)
        for name, method in self.methods.items():
            try:
                from_it = start.settings(method)
                settings = {**self.settings[name], **from_it, **given[name]}
                options = target.options(method, settings)
                start.check(options)
            except UsageError as error:
                cannot[name] = error.marked
                continue
            weights = {"weights", "init"} & from_it.keys()
            plain = {key: value for key, value in settings.items() if key not in weights}
            one = Variant(f"{name} from {shown}", method, options)
            self.started.append(
                _Started(
                    name,
                    start,
                    one,
                    training.control_variants(one),
                    Variant(NO_PRETRAINING, method, target.options(method, plain), _FROM_RANDOM),
                    tuple(from_it),
                )
            )
        if len(self.started) == before:
            raise UsageError(f"no method here starts from {start.run}: {next(iter(cannot.values()))}")
        self.notes += (
            f"Rows with 'from {shown}' start from the encoder that {start.card.method} pretrained without "
            f"labels on {start.card.scene} ({start.run}); their control {NO_PRETRAINING} has the same "
            "settings and random weights.",
            *([f"Nothing of these starts from {shown}: {', '.join(cannot)}."] if cannot else []),
        )

    def everything(self) -> Iterable[Variant]:
        """Methods, controls, and the classifier that sees both sensors."""
        yield from self.variants.values()
        yield from (one for several in self.controls.values() for one in several)
        yield from (one for started in self.started for one in started.everything())
        if self.ceiling is not None:
            yield self.ceiling

    def placed(self, place: _Placing, request: CompareRequest) -> TablePlan:
        """The table, each variant on its pixels."""
        rows = {}
        for name, method in self.methods.items():
            options, fixed = self.variants[name].options, self.fixed(name, method)
            controls = {
                one.name: place(one, options, self.fixed(name, one.method)) for one in self.controls[name]
            }
            summaries = {one.name: one.summary for one in self.controls[name]}
            rows[name] = Row(method, place(self.variants[name], options, fixed), controls, summaries)
            for one in self.started:
                if one.of == name:
                    rows[one.variant.name] = one.placed(place, self.fixed)
        ceiling = None if self.ceiling is None else place.untried(self.ceiling)
        reference = _reference(request, rows)
        if not self.equal:
            return TablePlan(rows, reference, ceiling)
        not_taken = {name: means_not_taken(method) for name, method in self.methods.items()}
        return TablePlan(rows, reference, ceiling, COMMON_MEANS, not_taken)

    def fixed(self, name: str, method: Method) -> tuple[str, ...]:
        """Options that trials leave alone: those that were given, and those that are the same for all.

        Args:
            name: of the method as asked, whose settings count.
            method: that method, or that of one of its controls.
        """
        same = [option for option in taken_means(method) if option not in TUNED] if self.equal else []
        return tuple(dict.fromkeys([*same, *self._given[name]]))


def _ceiling(method: Method, settings: Mapping[str, Any], target: _Target, equal: bool) -> Variant:
    """A classifier of both sensors.

    Raises:
        UsageError: the method is none with these settings.
    """
    taken = (target.means(method) if equal else {}) | dict(settings) | dict(method.joint)
    variant = Variant(CEILING, method, target.options(method, taken))
    if not method.classifies_both(variant.options):
        able = ", ".join(name for name, one in METHODS.items() if one.classifies_both(one.Options()))
        raise UsageError(
            f"{option('ceiling', method.name)} has no classifier of both sensors with these settings; choose "
            f"one of {able}, with its weights above 0"
        )
    return variant


def _same_cells(first: TablePlan, second: TablePlan) -> bool:
    """Whether two tables would hold the same runs."""
    return first.rows == second.rows and first.ceiling == second.ceiling


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
                f"{option('set', f'{key}={value}')}: '{name}' takes no part{near}; those that do "
                f"are {', '.join(methods)}"
            )
        if setting in training.DATA_SETTINGS:
            raise UsageError(
                f"{option('set', f'{key}={value}')}: all methods learn from the same pixels; give "
                f"{option('set', f'{setting}={value}')}"
            )
        training.check_settings([setting], {name: methods[name]}, name)
        own[name] = training.joined_settings([own[name], {setting: value}])
    return common, own


def _ablation(whole: Variant, settings: Mapping[str, Any], target: _Target) -> dict[str, Variant]:
    """The whole method and what is left of it; a row that the settings make the whole is left out."""
    named = whole.method.ablation
    rows = {} if {} in named.values() else {WHOLE: whole}
    for name, changes in named.items():
        options = target.options(whole.method, {**settings, **changes})
        if not changes or options != whole.options:
            rows[name] = Variant(whole.name, whole.method, options)
    return rows


class _Placing:
    """Puts variants on pixels: the same for all, but with test pixels among them where a method asks so."""

    def __init__(
        self,
        common: Mapping[str, Any],
        variants: Sequence[Variant],
        methods: Sequence[Method],
        seed: int,
        trials: int,
    ) -> None:
        self._trials = trials
        own = {key for variant in variants for key in variant.method.Options.model_fields}
        data = {key: value for key, value in common.items() if key not in own}
        inductive = [variant for variant in variants if not variant.options.transductive] or variants
        gather = training.gather_options(data, inductive, methods, seed, "all methods")
        self._gather = gather.model_copy(update=training.looked_at(variants))

    def __call__(
        self, variant: Variant, asking: Options, fixed: tuple[str, ...], start: Start | None = None
    ) -> Cell:
        """The cell of a variant.

        Args:
            variant: what is trained.
            asking: options of the method whose protocol it follows.
            fixed: options that trials leave alone.
            start: the pretrained encoder that it starts from.
        """
        legacy = {"transductive": True, "unlabelled_from": "test"} if asking.transductive else {}
        gather = self._gather.model_copy(update=legacy)
        cell = Cell(_canonical(variant), gather, self._trials, fixed, start)
        # nothing to try: one run for all who ask
        return cell if cell.space else Cell(cell.variant, gather, start=start)

    def untried(self, variant: Variant) -> Cell:
        """The cell of a variant as it comes."""
        return Cell(variant, self._gather)


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


def _reference(request: CompareRequest, rows: Mapping[str, Row]) -> str | None:
    names = [name for name, row in rows.items() if row.gains]
    if request.reference is None:
        return DEFAULT_REFERENCE if DEFAULT_REFERENCE in names else next(iter(names), None)
    if request.reference in rows and request.reference not in names:
        raise UsageError(
            f"reference {request.reference} has no gain from the auxiliary sensor to test others against: "
            f"choose one of {', '.join(names) or 'the methods that see it'}"
        )
    if request.reference not in names:
        near = training.near_match(request.reference, names)
        raise UsageError(
            f"reference {request.reference} is none of the methods{near}: choose one of {', '.join(names)}"
        )
    return request.reference
