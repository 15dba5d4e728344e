"""What a run is asked to do, and what it resolves to."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, Field, SerializeAsAny, ValidationError

from geo_xmodal.errors import TrainingDataError, UsageError
from geo_xmodal.mapping import read_shares
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.base import Method, Options
from geo_xmodal.methods.pretrained_start import Start
from geo_xmodal.named_options import option
from geo_xmodal.old_names import Settings
from geo_xmodal.requests import TrainOptions
from geo_xmodal.samples import DataOptions, GatherOptions
from geo_xmodal.scenes import Scene, SceneSet, join_scenes
from geo_xmodal.training.learned import AskedShares, check_areas, described_shares
from geo_xmodal.types import TrainingData

DATA_SETTINGS = DataOptions.model_fields
"""Settings that say which pixels to gather, whatever the method."""

M = TypeVar("M", bound=BaseModel)


class TrainRequest(TrainOptions):
    """A `train` command, as asked of a scene; `TrainOptions` has the rest of its fields.

    Attributes:
        options: of the method (`METHODS[method].Options`); those that are not given follow the recipe for the
            target sensor, or are the defaults.
        data: which pixels train.
        settings: options of the method and the data as texts by name, as the command line has them.
    """

    options: SerializeAsAny[Options] | None = None
    data: DataOptions | None = None
    settings: Settings = Field(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        """Every setting by name, however it was given.

        Raises:
            UsageError: `options` are those of another method, or one is given twice.
        """
        method = find_method(self.method)
        if self.options is not None and not isinstance(self.options, method.Options):
            raise UsageError(
                f"options are {type(self.options).__name__}, which {self.method} does not take; give "
                f"{method.Options.__name__}"
            )
        parts = [*given_options(self.options, self.data), self.settings]
        return asked_settings(joined_settings(parts), self.epochs, self.target)


@dataclass(frozen=True)
class Variant:
    """One method with resolved options: the method asked for, or one of its controls.

    Attributes:
        name: of the method, or of what it is as a control.
        method: from the registry.
        options: of the method.
        summary: what a control is, for reports.
    """

    name: str
    method: Method
    options: Options
    summary: str = ""

    def seen(self, data: TrainingData) -> TrainingData:
        """What its method learns from."""
        return self.method.seen(data, self.options)

    def check(self, data: TrainingData) -> None:
        """See that `data`, of which it learns what it sees, suffices.

        Raises:
            TrainingDataError: It does not.
        """
        self.method.check(data if self.method.uses_auxiliary else data.without_auxiliary(), self.options)


@dataclass(frozen=True)
class Plan:
    """A request with everything resolved.

    Attributes:
        main: the method.
        controls: what it is held against.
        gather: which pixels they learn from, for the first seed.
        seeds: of every run.
        settings: as asked, as texts.
        notes: what should be known beside the result, a line each.
        shares: what figures and maps are right about; None follows from the labels.
        start: the pretrained encoder that branches start from.
    """

    main: Variant
    controls: tuple[Variant, ...]
    gather: GatherOptions
    seeds: tuple[int, ...]
    settings: Mapping[str, str]
    notes: tuple[str, ...] = ()
    shares: AskedShares = None
    start: Start | None = None

    @property
    def transductive(self) -> bool:
        """Whether pixels under test labels took part, without them, here or before."""
        return self.gather.transductive or (self.start is not None and self.start.card.transductive)

    def gather_for(self, seed: int) -> GatherOptions:
        """What to gather for one seed."""
        return self.gather.model_copy(update={"seed": seed})

    def describe(self) -> dict[str, Any]:
        """Everything that decides what comes out, for config.json."""
        return {
            "method": self.main.name,
            "options": self.main.options.model_dump(mode="json"),
            "data": self.gather.model_dump(mode="json"),
            "seeds": list(self.seeds),
            "controls": {v.name: v.options.model_dump(mode="json") for v in self.controls},
            **({} if self.shares is None else {"shares": described_shares(self.shares)}),
        }


def resolve(
    request: TrainRequest, kind: str, single_pixels: bool = False, start: Start | None = None
) -> Plan:
    """Match every setting to the method or to the data.

    Args:
        request: as asked.
        kind: of the target sensor: a method may have a recipe for it.
        single_pixels: the samples have no pixels around them: a method may have settings for that.
        start: the pretrained encoder that branches start from.

    Raises:
        UsageError: an unknown method, setting or choice of class shares, or a value that it cannot have.
        ClassSharesError: a table of known areas is none.
    """
    method = find_method(request.method)
    settings = request.given
    check_settings(settings, {request.method: method}, request.method)
    beneath = {} if start is None else start.settings(method)
    options = options_for(method, {**beneath, **settings}, kind, single_pixels)
    if start is not None:
        start.check(options)
    main = Variant(request.method, method, options)
    controls = control_variants(main) if request.control else ()
    notes = (_without_controls(main),) if request.control and not controls else ()
    data = {key: value for key, value in settings.items() if key not in method.Options.model_fields}
    gather = gather_options(data, (main, *controls), (method,), request.seed, request.method)
    seeds = tuple(range(request.seed, request.seed + request.seeds))
    shares = None if request.shares is None else read_shares(request.shares)
    return Plan(main, controls, gather, seeds, as_texts(settings), notes, shares, start)


def checked_plan(plan: Plan, data: TrainingData) -> Plan:
    """The plan without controls that cannot be trained on `data`, which its notes name.

    Raises:
        TrainingDataError: The method itself cannot be trained.
        ClassSharesError: Known areas do not fit the classes.
    """
    plan.main.check(data)
    check_areas(plan.shares, data)
    possible, notes = [], list(plan.notes)
    for control in plan.controls:
        try:
            control.check(data)
        except TrainingDataError as error:
            notes.append(f"control {control.name} is left out: {error}")
        else:
            possible.append(control)
    return dataclasses.replace(plan, controls=tuple(possible), notes=tuple(notes))


def scenes_for(
    scenes: Scene | Sequence[Scene], settings: Mapping[str, Any], hold_out: Sequence[str] = ()
) -> SceneSet:
    """The scenes of a run as one, with the sensors that are asked for.

    Raises:
        UsageError, SceneError, LabelError: as `join_scenes`.
    """
    return join_scenes(
        scenes, target=settings.get("target"), auxiliary=settings.get("auxiliary"), hold_out=hold_out
    )


def find_method(name: str) -> Method:
    """A method of the registry.

    Raises:
        UsageError: there is none of this name; the message says which is near.
    """
    if name not in METHODS:
        near = near_match(name, METHODS)
        raise UsageError(f"unknown method '{name}'{near}: choose one of {', '.join(METHODS)}")
    return METHODS[name]


def given_options(*options: BaseModel | None) -> list[dict[str, Any]]:
    """What was set of options, by name: the others follow recipes, or are defaults."""
    return [one.model_dump(exclude_unset=True) for one in options if one is not None]


def joined_settings(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Settings that are given in several ways.

    Raises:
        UsageError: one is given twice.
    """
    together: dict[str, Any] = {}
    for part in parts:
        if twice := sorted(together.keys() & part.keys()):
            raise UsageError(f"{twice[0]} is given twice, among options and among settings: give it once")
        together |= part
    return together


def as_texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as the command line takes them."""
    return {key: _as_text(value) for key, value in settings.items()}


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def asked_settings(settings: Mapping[str, Any], epochs: int | None, target: str | None) -> dict[str, Any]:
    """Settings with those that a request has fields of its own for."""
    given = {"epochs": epochs, "target": target}
    return {**settings, **{key: value for key, value in given.items() if value is not None}}


def check_settings(settings: Iterable[str], methods: Mapping[str, Method], who: str) -> None:
    """See that every setting is known to one of the methods, or says which pixels to gather.

    Raises:
        UsageError: one is not; the message says which is near.
    """
    own = {key for method in methods.values() for key in method.Options.model_fields}
    unknown = sorted(set(settings) - own - set(DATA_SETTINGS))
    if unknown:
        known = sorted(own | set(DATA_SETTINGS))
        raise UsageError(
            f"{who} has no setting '{unknown[0]}'{near_match(unknown[0], known)}; it has {', '.join(known)}"
        )


def options_for(
    method: Method, settings: Mapping[str, Any], kind: str, single_pixels: bool = False
) -> Options:
    """The method's options for a kind of target sensor, and for single pixels.

    Settings that are not its own are passed over.

    Raises:
        UsageError: a value that an option cannot have.
    """
    own = {key: value for key, value in settings.items() if key in method.Options.model_fields}
    return _checked(method.Options, {**method.beneath(kind, single_pixels), **own}, method.name)


def control_variants(variant: Variant) -> tuple[Variant, ...]:
    """The controls of a method with its options; none where it does not see the auxiliary sensor."""
    return tuple(
        Variant(name, METHODS[control.method], control.options, control.summary)
        for name, control in variant.method.controls(variant.options).items()
    )


def _without_controls(variant: Variant) -> str:
    return (
        f"no control is trained: {variant.method.name} does not see the auxiliary sensor, and has no gain "
        "from it"
    )


def gather_options(
    settings: Mapping[str, Any],
    variants: Sequence[Variant],
    methods: Sequence[Method],
    seed: int,
    who: str,
) -> GatherOptions:
    """Which pixels to gather so that all variants can learn from the same.

    Patches are those of the variant that looks furthest. Labels are held out where a method says so. Pools
    that none of the methods would draw from are not gathered, unless asked for. A method that asks for test
    pixels as the unlabelled ones gets them.

    Raises:
        UsageError: a value that a setting cannot have.
    """
    values: dict[str, Any] = {
        **settings,
        **looked_at(variants),
        "seed": seed,
    }
    if any(variant.options.transductive for variant in variants):
        values.setdefault("transductive", True)
        values.setdefault("unlabelled_from", "test")
    if not any(method.holds_out for method in methods):
        values.setdefault("validation", 0)
    target_pool = any(method.uses_unlabelled_target for method in methods)
    if not target_pool:
        values.setdefault("unlabelled_target", 0)
    if not (target_pool or any(method.uses_auxiliary for method in methods)):
        values["unlabelled"] = 0
    return _checked(GatherOptions, values, who)


def looked_at(variants: Sequence[Variant]) -> dict[str, int]:
    """How far the pixels must be read for all variants, as settings of `GatherOptions`."""
    tilings = [one for one in (variant.options.tiling for variant in variants) if one is not None]
    return {
        "margin": max(variant.options.margin for variant in variants),
        "auxiliary_margin": max(variant.options.auxiliary_margin for variant in variants),
        "tile": max((one.step for one in tilings), default=0),
        "overlap": max((one.crop + one.blend for one in tilings), default=0),
    }


def _checked(model: type[M], values: Mapping[str, Any], method: str) -> M:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        where = (
            f"{option('set', f'{key}={values.get(key)}')} for {method}"
            if key
            else f"{option('set')} for {method}"
        )
        raise UsageError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def near_match(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """A hint at the known word that is nearest, ready to stand in a message; empty if none is near."""
    close = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean '{close[0]}'?)" if close else ""
