"""What `auto` chooses among: methods of the registry with settings, each by a name of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from geo_xmodal.kinds import KINDS
from geo_xmodal.methods.base import LoopOptions, Method, Options, Work
from geo_xmodal.types import TrainingData

_PIXEL_CNN = {"encoder": "pixel_cnn", "contrasts": "7,15", "augment": "true"}
_TANH_CNN = {"encoder": "tanh_cnn", "contrasts": "", "augment": "false"}

CANDIDATES: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "taught_forest": ("distillation", "trees", {"student": "forest"}),
    "hgr_pixel_cnn": ("hgr", "pixel_cnn", _PIXEL_CNN),
    "forest": ("forest", "trees", {}),
    "linear": ("svm", "linear", {}),
    "hgr_tanh_cnn": ("hgr", "tanh_cnn", _TANH_CNN),
    "pixel_cnn": ("cnn", "pixel_cnn", _PIXEL_CNN),
    "boosting": ("boosting", "trees", {}),
    "tanh_cnn": ("cnn", "tanh_cnn", _TANH_CNN),
    "taught_boosting": ("distillation", "trees", {"student": "boosting"}),
    "correlation_pixel_cnn": ("correlation", "pixel_cnn", _PIXEL_CNN),
}
"""Name, to a method, the kind of model that maps, and settings that are not left to a recipe for the sensor.
Models of one kind err alike, so that the average has some of each. They are judged in this order, which a
small budget cuts short: kinds of models, with the auxiliary sensor and without it, come in turn."""

TAUGHT_LIKE: Mapping[str, str] = {
    "forest": "taught_forest",
    "boosting": "taught_boosting",
    "pixel_cnn": "hgr_pixel_cnn",
    "tanh_cnn": "hgr_tanh_cnn",
}
"""Which candidate has the self-training of one that learns labels alone as its control."""

FALLBACKS = ("taught_forest", "forest")
"""Taken where labels cannot choose: trees need the fewest decisions, and their teacher adds something only
where it is shown to be better than the target sensor. The second one where there is no auxiliary sensor."""

_QUICK_EPOCHS = 1 / 3
"""Share of the epochs that a network is trained for while it is judged."""


class Initialisation(Protocol):
    """Where the network of a candidate starts, if not from random weights."""

    @property
    def says(self) -> str:
        """What it is, in a few words; what begins otherwise says something else."""

    def check(self, data: TrainingData) -> None:
        """See that `data` suffice.

        Raises:
            TrainingDataError: They do not.
        """

    def prepared(
        self, candidate: Candidate, options: Options, data: TrainingData, seed: int, work: Work, folder: Path
    ) -> tuple[Options, TrainingData]:
        """Options with the weights to start from, which lie in a file, and data as these have seen such.

        Args:
            candidate: whose network it is.
            options: that it is to be trained with: its own, or the quick ones.
            data: what it is to learn from, all groups.
            seed: of whatever is drawn.
            work: trains.
            folder: for files that are needed while the candidate is trained.
        """


@dataclass(frozen=True)
class Candidate:
    """A method with options.

    Attributes:
        name: among the candidates.
        method: of the registry.
        maps: the kind of model that maps.
        options: what it is trained with in the end.
        quick: what it is trained with while it is judged: the same, with fewer steps.
        initialisation: where its network starts; None for random weights.
    """

    name: str
    method: Method
    maps: str
    options: Options
    quick: Options
    initialisation: Initialisation | None = None

    @property
    def uses_auxiliary(self) -> bool:
        """Whether the auxiliary sensor takes part in its training, or in what it starts from."""
        return self.method.uses_auxiliary or self.initialisation is not None


def candidates_of(
    names: Sequence[str], kind: str, epochs: int | None = None, single_pixels: bool = False
) -> tuple[Candidate, ...]:
    """Candidates by name, with the recipes of their methods for a kind of target sensor.

    Args:
        names: keys of `CANDIDATES`.
        kind: of the target sensor.
        epochs: of the networks among them; None leaves them theirs.
        single_pixels: nothing looks further than a pixel.
    """
    return tuple(candidate_like(name, kind, epochs, single_pixels, {}) for name in names)


def candidate_like(
    name: str, kind: str, epochs: int | None, single_pixels: bool, more: Mapping[str, Any]
) -> Candidate:
    """A candidate by name, with some settings more than it has; other arguments as in `candidates_of`."""
    from geo_xmodal.methods import METHODS  # `auto` is one of them

    method_name, maps, own = CANDIDATES[name]
    method = METHODS[method_name]
    alone = method.of_single_pixels() if single_pixels else {}
    options = method.Options.model_validate({**method.recipes.get(kind, {}), **own, **alone, **more})
    quick = options
    if isinstance(options, LoopOptions):
        options = options.model_copy(update={"epochs": epochs or options.epochs})
        quick = options.model_copy(update={"epochs": quick_epochs(options.epochs)})
    return Candidate(name, method, maps, options, quick)


def quick_epochs(epochs: int) -> int:
    """Epochs of what is trained to be judged."""
    return max(1, round(epochs * _QUICK_EPOCHS))


def self_trained(candidate: Candidate, kind: str) -> tuple[Method, Options]:
    """The method and options with which a candidate of the target sensor also learns its own answers.

    It is the `self_training` control of what the candidate becomes with a teacher.
    """
    from geo_xmodal.methods import METHODS  # `auto` is one of them

    if candidate.name in TAUGHT_LIKE:
        (taught,) = candidates_of([TAUGHT_LIKE[candidate.name]], kind)
        options = taught.options.model_copy(
            update={
                name: value for name, value in candidate.options if name in type(taught.options).model_fields
            }
        )
        control = taught.method.controls(options)["self_training"]
    else:
        distillation = METHODS["distillation"]
        control = distillation.controls(distillation.Options.model_validate({"student": candidate.maps}))[
            "self_training"
        ]
    return METHODS[control.method], control.options


def reach_of(names: Sequence[str], single_pixels: bool = False) -> tuple[int, int]:
    """Largest radius of target and auxiliary patches that any of the candidates sees, for any kind."""
    seen = [
        (one.options.margin, one.options.auxiliary_margin)
        for kind in KINDS
        for one in candidates_of(names, kind, single_pixels=single_pixels)
    ]
    return max((target for target, _ in seen), default=0), max(
        (auxiliary for _, auxiliary in seen), default=0
    )
