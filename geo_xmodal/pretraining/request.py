"""What a pretraining is asked to do, and what it resolves to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from geo_xmodal.errors import TrainingDataError, UsageError
from geo_xmodal.methods.pretraining.options import PRETRAINING_METHODS, PretrainingOptions, recipe
from geo_xmodal.old_names import Settings
from geo_xmodal.requests import PretrainOptions
from geo_xmodal.samples import DataOptions, GatherOptions
from geo_xmodal.training.request import (
    asked_settings,
    given_options,
    joined_settings,
    near_match,
)
from geo_xmodal.training.sources import Learned
from geo_xmodal.wording import names_text

M = TypeVar("M", bound=BaseModel)

_LARS = {"learning_rate": "0.2", "weight_decay": "1e-6"}
"""With LARS, where nobody says otherwise (DeCUR, appendix B.1)."""


class PretrainRequest(PretrainOptions):
    """A `pretrain` command, as asked, with options as values.

    Attributes:
        options: Networks, views, loss and steps; those that are not given follow the sensors' kinds, or are
            the defaults.
        data: Which pixels pairs are drawn from. `unlabelled` is the most pairs without labels; those with
            training labels take part, too, without their labels.
        settings: Options and data as texts by name, as the command line has them.
    """

    options: PretrainingOptions | None = None
    data: DataOptions | None = None
    settings: Settings = Field(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        """Every setting by name, however it was given.

        Raises:
            UsageError: One is given twice.
        """
        parts = [*given_options(self.options, self.data), self.settings]
        return asked_settings(joined_settings(parts), self.epochs, self.target)


@dataclass(frozen=True)
class PretrainPlan:
    """A request with everything resolved.

    Attributes:
        method: What pretrains.
        options: Of it.
        gather: Which pixels.
    """

    method: str
    options: PretrainingOptions
    gather: GatherOptions


def resolve(request: PretrainRequest, scenes: Learned) -> PretrainPlan:
    """Match every setting to the options or to the data.

    Raises:
        UsageError: An unknown method or setting, or a value that it cannot have.
        TrainingDataError: There is no second sensor.
    """
    if request.method not in PRETRAINING_METHODS:
        near = near_match(request.method, PRETRAINING_METHODS)
        raise UsageError(
            f"unknown method of pretraining '{request.method}'{near}: choose one of "
            f"{', '.join(PRETRAINING_METHODS)}"
        )
    auxiliary = next(
        (one.reader(one.auxiliary).kind for one in scenes.members if one.auxiliary is not None), None
    )
    if auxiliary is None:
        raise TrainingDataError(
            f"{names_text([one.name for one in scenes.members])}: there is one sensor alone, and pretraining "
            "learns from pairs of two; add another one that overlaps it"
        )
    given = request.given
    known = PretrainingOptions.model_fields.keys() | DataOptions.model_fields.keys()
    if unknown := sorted(given.keys() - known):
        raise UsageError(
            f"pretraining has no setting '{unknown[0]}'{near_match(unknown[0], sorted(known))}; it has "
            f"{', '.join(sorted(known))}"
        )
    beneath = recipe(scenes.kind, auxiliary)
    if given.get("optimizer") == "lars":
        beneath |= _LARS
    own = {name: value for name, value in given.items() if name in PretrainingOptions.model_fields}
    options = _checked(PretrainingOptions, beneath | own)
    data = {name: value for name, value in given.items() if name in DataOptions.model_fields}
    gather = _checked(
        GatherOptions,
        {
            "unlabelled_target": 0,
            **data,
            "margin": options.margin,
            "auxiliary_margin": options.auxiliary_margin,
            "seed": request.seed,
        },
    )
    return PretrainPlan(request.method, options, gather)


def _checked(model: type[M], values: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        where = f"{key}={values.get(key)}: " if key else ""
        raise UsageError(f"pretraining: {where}{first['msg'].removeprefix('Value error, ')}") from None
