"""What a run is asked to do, and what it resolves to."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from geo_xmodal.errors import UsageError
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.base import Method, Options
from geo_xmodal.methods.cnn import control_options
from geo_xmodal.scenes.groups import GatherOptions

CONTROLS = ("target_only", "self_training")
RESERVED = ("seed", "margin", "rich_margin")

M = TypeVar("M", bound=BaseModel)


class TrainRequest(BaseModel):
    """A `train` command, as asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = "hgr"
    target: str | None = None
    epochs: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)
    seeds: int = Field(1, ge=1, le=1000)
    control: bool = False
    settings: dict[str, str] = Field(default_factory=dict)
    resume: bool = False


@dataclass(frozen=True)
class Variant:
    """One method with resolved options: the method asked for, or one of its controls."""

    name: str
    method: Method
    options: Options


@dataclass(frozen=True)
class Plan:
    """A request with everything resolved."""

    main: Variant
    controls: tuple[Variant, ...]
    gather: GatherOptions
    seeds: tuple[int, ...]
    settings: Mapping[str, str]

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
        }


def resolve(request: TrainRequest) -> Plan:
    """Match every setting to the method or to the data.

    Raises:
        UsageError: an unknown method or setting, or a value that it cannot have.
    """
    if request.method not in METHODS:
        near = _near(request.method, METHODS)
        raise UsageError(f"unknown method '{request.method}'{near}: choose one of {', '.join(METHODS)}")
    method = METHODS[request.method]
    settings: dict[str, str] = dict(request.settings)
    if request.epochs is not None:
        settings["epochs"] = str(request.epochs)
    if request.target is not None:
        settings["target"] = request.target
    own = {key for key in method.Options.model_fields if key in settings}
    data_keys = set(GatherOptions.model_fields) - set(RESERVED)
    unknown = sorted(set(settings) - own - data_keys)
    if unknown:
        known = sorted({*method.Options.model_fields, *data_keys})
        raise UsageError(
            f"{request.method} has no setting '{unknown[0]}'{_near(unknown[0], known)}; "
            f"it has {', '.join(known)}"
        )
    options = _checked(method.Options, {key: settings[key] for key in own}, request.method)
    controls = tuple(
        Variant(mode, METHODS["cnn"], control_options(options, mode)) for mode in CONTROLS if request.control
    )
    margin = max(one.margin for one in (options, *(control.options for control in controls)))
    gather = _checked(
        GatherOptions,
        {key: value for key, value in settings.items() if key not in own}
        | {"margin": margin, "rich_margin": options.rich_margin, "seed": request.seed}
        | _unused_pools(method, request),
        request.method,
    )
    seeds = tuple(range(request.seed, request.seed + request.seeds))
    return Plan(Variant(request.method, method, options), controls, gather, seeds, dict(settings))


def _unused_pools(method: Method, request: TrainRequest) -> dict[str, int]:
    """Pools that nothing would draw from are not gathered, unless asked for."""
    sizes = {}
    if not method.uses_unlabelled_target and "unlabelled_target" not in request.settings:
        sizes["unlabelled_target"] = 0
    if not (method.uses_rich or method.uses_unlabelled_target or request.control):
        sizes["unlabelled"] = 0
    return sizes


def _checked(model: type[M], values: Mapping[str, Any], method: str) -> M:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        where = f"--set {key}={values.get(key)} for {method}" if key else f"--set for {method}"
        raise UsageError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def _near(word: str, known: Mapping[str, Any] | list[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean '{close[0]}'?)" if close else ""
