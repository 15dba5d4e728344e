"""A trained model on disk: weights without code, and a card that says what they are.

A bundle is a folder of two files. `model.safetensors` holds tensors only. `card.json` says which network of
this package they fit, for which sensor and classes, and the sha256 of the weights. Loading executes nothing
from the files, and refuses whatever is missing, changed, of another schema or of another shape.

Cards are read without PyTorch, which takes seconds to import: whoever lists models waits for none of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from geo_xmodal.class_shares import Choice, Drawn, HeldOut
from geo_xmodal.errors import BundleError, OutputError
from geo_xmodal.outputs import replaced_folder, unfinished
from geo_xmodal.small_files import (
    SmallFile,
    file_errors,
    inner_file,
    read_bytes,
    read_json_object,
    read_tensor_header,
    validated,
)
from geo_xmodal.types import MAX_NAME, MAX_SENSOR, MAX_UNIT, BandStatistics, Kind, LandClass, Transform
from geo_xmodal.wording import names_text

if TYPE_CHECKING:
    from geo_xmodal.networks import NetworkSpec, PixelModel

SCHEMA: Literal[1] = 1
_OPTIONAL = ("scenes", "shares")
_ROUNDING = 1e-6
CARD, WEIGHTS = "card.json", "model.safetensors"

_CARD_FILE = SmallFile(
    "the card of a model", BundleError, "the file is damaged: get the model again", 4 << 20
)
_WEIGHTS_FILE = SmallFile(
    "the weights of a model", BundleError, "the file is damaged or cut short: get the model again", 4 << 30
)

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClassEntry(_Part):
    """A class of the legend, in the order of the model's logits."""

    id: int = Field(ge=1, le=255)
    name: str = Field(max_length=MAX_NAME)
    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")


class StatisticsEntry(_Part):
    """`BandStatistics` on disk; one entry a band in every list."""

    bands: tuple[str, ...] = Field(min_length=1, max_length=4096)
    transform: tuple[Transform, ...]
    scale: tuple[Positive, ...]
    low: tuple[Finite, ...]
    high: tuple[Finite, ...]
    mean: tuple[Finite, ...]
    std: tuple[Positive, ...]

    @model_validator(mode="after")
    def _one_entry_a_band(self) -> StatisticsEntry:
        for name in ("transform", "scale", "low", "high", "mean", "std"):
            if len(getattr(self, name)) != len(self.bands):
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {len(self.bands)} bands")
        return self


class TargetEntry(_Part):
    """The sensor that the model maps from."""

    modality: str = Field(max_length=200)
    kind: Kind
    sensor: str = Field("", max_length=MAX_SENSOR)
    statistics: StatisticsEntry
    unit: str = Field("", max_length=MAX_UNIT)
    """Of the values, as the files said or as the kind has it; empty where nobody knows."""
    scaled: bool | None = None
    """Whether the training values had scale and offset tags, which were applied; None in older cards."""


class NetworkEntry(_Part):
    """Which network of this package the weights fit."""

    name: str = Field(max_length=100)
    options: dict[str, Any] = Field(default_factory=dict)
    package: str | None = Field(default=None, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """The installed package that adds the network, as pip calls it; left out for one of this package."""

    @model_serializer(mode="wrap")
    def _without_none(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in whole(self).items() if name != "package" or value}


class SceneEntry(_Part):
    """One of several scenes that a model learned from."""

    name: str = Field(max_length=MAX_NAME)
    simulated: bool
    ids: dict[int, int] = Field(default_factory=dict, max_length=255)
    """The id of each of the scene's own classes, to that of the model's class that it is."""


class HeldOutEntry(_Part):
    """`HeldOut` on disk."""

    labels: int = Field(ge=1)
    temperature: Positive
    missed: Share
    chance: Share
    gain: float = Field(0.0, ge=-1, le=1)
    gain_error: float = Field(0.0, ge=0, le=1)


class SharesEntry(_Part):
    """Whose class shares a map has; every list has one entry per class, in the order of the logits."""

    default: Choice
    """What a map has where nobody says otherwise."""
    drawn: Drawn
    """How the labels that trained were drawn from those that there were."""
    learned: tuple[Share, ...]
    """What the labels of each class weighed in training; 0 for a class without any."""
    labels: tuple[Share, ...]
    """Shares of the labels that there were."""
    table: tuple[Share, ...] | None = None
    """Known shares; only with the default `table`."""
    held_out: HeldOutEntry | None = None
    """How well the model's probabilities are calibrated; None where too few labels were held out."""

    @model_validator(mode="after")
    def _shares_are_shares(self) -> SharesEntry:
        if (self.table is None) == (self.default == "table"):
            raise ValueError("table: known shares are there if and only if the default is 'table'")
        for name in ("learned", "labels", "table"):
            shares = getattr(self, name)
            if shares is not None and abs(math.fsum(shares) - 1) > _ROUNDING:
                raise ValueError(f"{name}: sums to {math.fsum(shares):.6g}, expected 1")
        return self

    @property
    def temperature(self) -> float:
        """That calibrates the model's logits; 1 where nobody knows."""
        return 1.0 if self.held_out is None else self.held_out.temperature

    @property
    def calibration(self) -> HeldOut | None:
        """How well the model's probabilities are calibrated."""
        return None if self.held_out is None else HeldOut(**self.held_out.model_dump())


class Card(_Part):
    """Everything about a model but its weights."""

    @model_validator(mode="before")
    @classmethod
    def _of_the_version_before(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        return {"auxiliary" if key == "rich" else key: value for key, value in raw.items()}

    schema_version: Literal[1] = SCHEMA
    method: str = Field(max_length=100)
    network: NetworkEntry
    margin: int = Field(ge=0, le=512)
    target: TargetEntry
    auxiliary: str | None = Field(None, max_length=200)
    """Kind of the sensor that took part in training only; nothing more of it is kept."""
    classes: tuple[ClassEntry, ...] = Field(min_length=2, max_length=255)
    resolution: tuple[Positive, Positive] | None = None
    """Row and column size of a pixel, in `resolution_unit`."""
    resolution_unit: str = Field("", max_length=50)
    scene: str = Field(max_length=500)
    """Its name; of several the names, the first of many."""
    simulated: bool
    """Whether any of the scenes is."""
    scenes: tuple[SceneEntry, ...] = Field(default=(), max_length=10_000)
    """All of them, where they are several."""
    ranges: dict[str, tuple[Finite, Finite]] = Field(default_factory=dict, max_length=10_000)
    """What each convolution saw of training pixels, least and most (`geo_xmodal.networks.input_ranges`)."""
    shares: SharesEntry | None = None
    """Class shares that the model has learned, and those that a map has; None in older cards."""
    transductive: bool = False
    training: dict[str, Any] = Field(default_factory=dict)
    weights_sha256: str = Field(default="", max_length=64)

    @model_validator(mode="after")
    def _one_share_per_class(self) -> Card:
        for name in ("learned", "labels", "table"):
            shares = None if self.shares is None else getattr(self.shares, name)
            if shares is not None and len(shares) != len(self.classes):
                raise ValueError(f"shares.{name} has {len(shares)} entries for {len(self.classes)} classes")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in whole(self).items() if name not in _OPTIONAL or value}

    @property
    def trained_on(self) -> str:
        """The scene, or the scenes, and whether they are simulated, in words."""
        if not self.scenes:
            return f"{self.scene} ({'simulated' if self.simulated else 'real'})"
        which = [one.name for one in self.scenes if one.simulated]
        if not which or len(which) == len(self.scenes):
            return f"{self.scene} (all {'simulated' if which else 'real'})"
        return f"{self.scene} ({names_text(which)} simulated)"

    @property
    def legend(self) -> tuple[LandClass, ...]:
        """The classes, in the order of the model's logits."""
        return tuple(LandClass(entry.id, entry.name, entry.color) for entry in self.classes)

    @property
    def statistics(self) -> BandStatistics:
        """How the target's raw bands become network input."""
        return BandStatistics(**self.target.statistics.model_dump())

    @property
    def spec(self) -> NetworkSpec:
        """The network."""
        from geo_xmodal.networks import NetworkSpec

        return NetworkSpec(self.network.name, self.network.options)


@dataclass(frozen=True)
class Bundle:
    """A model with its card."""

    card: Card
    model: PixelModel


def describe_target(
    modality: str,
    kind: Kind,
    sensor: str,
    statistics: BandStatistics,
    unit: str = "",
    scaled: bool | None = None,
) -> TargetEntry:
    """The card's entry for the sensor that maps."""
    return TargetEntry(
        modality=modality,
        kind=kind,
        sensor=sensor,
        statistics=StatisticsEntry(**dataclasses.asdict(statistics)),
        unit=unit,
        scaled=scaled,
    )


def save(folder: Path, model: PixelModel, card: Card) -> Card:
    """Write a bundle; the folder appears whole or not at all.

    Returns:
        The card as written, with the sha256 of the weights.

    Raises:
        OutputError: if the folder holds something else already, or cannot be written.
    """
    from safetensors.torch import save as save_tensors

    from geo_xmodal.networks import NETWORKS

    if folder.exists() and any(folder.iterdir()) and not (folder / CARD).exists():
        raise OutputError(f"{folder} is not empty and holds no model: choose another folder")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    weights = save_tensors(state)
    network = card.network.model_copy(update={"package": NETWORKS.package_of(card.network.name)})
    card = card.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest(), "network": network})
    with replaced_folder(folder) as beside:
        (beside / WEIGHTS).write_bytes(weights)
        (beside / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return card


def read_card(folder: Path | str) -> Card:
    """The checked card of a bundle, or of a run folder that holds one in `model/`.

    Raises:
        BundleError: if there is none, or it does not fit the schema.
    """
    folder = Path(folder)
    path = _own(folder, CARD)
    raw = read_json_object(path, _CARD_FILE)
    version = raw.get("schema_version")
    if version != SCHEMA:
        raise BundleError(
            f"{path}: schema_version is {version!r}, this version reads {SCHEMA}: "
            "train again, or use the geo_xmodal that wrote it"
        )
    return validated(Card, raw, path, _CARD_FILE)


def load(folder: Path | str) -> Bundle:
    """A bundle, checked: schema, sha256, names and shapes of all weights.

    Raises:
        BundleError: if anything is missing or does not fit.
    """
    folder = Path(folder)
    from safetensors import SafetensorError
    from safetensors.torch import load as load_tensors

    from geo_xmodal.networks import PixelModel

    card = read_card(folder)
    path = _own(folder, WEIGHTS)
    weights = read_bytes(path, _WEIGHTS_FILE)
    digest = hashlib.sha256(weights).hexdigest()
    if digest != card.weights_sha256:
        raise BundleError(
            f"{path}: sha256 is {digest[:12]}..., the card says {card.weights_sha256[:12]}...: "
            "the file was changed or cut short; get the model again"
        )
    check_package(path.parent / CARD, card.network)
    _check_shapes(path, card)
    with file_errors(path, _WEIGHTS_FILE, SafetensorError):
        state = load_tensors(weights)
    model = PixelModel(card.spec, card.statistics, len(card.classes))
    if model.margin != card.margin:
        raise BundleError(f"{path.parent / CARD}: margin is {card.margin}, its network has {model.margin}")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise BundleError(f"{path}: weight '{name}' holds values that are not finite")
    try:
        model.load_state_dict(state)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from None
    return Bundle(card, model.eval())


def check_package(path: Path, network: NetworkEntry) -> None:
    """See that the network of a card at `path` is known, and by the package that the card says.

    Raises:
        BundleError: The package is not installed, or its name is of another one here.
    """
    from geo_xmodal.networks import NETWORKS

    if network.package is None:
        return  # one of ours, or unknown as any other
    if network.name not in NETWORKS:
        raise BundleError(
            f"{path}: its network '{network.name}' is one of the package {network.package}, which is not "
            f"installed: pip install {network.package}"
        )
    if (here := NETWORKS.package_of(network.name)) != network.package:
        raise BundleError(
            f"{path}: its network '{network.name}' is one of the package {network.package}; here that name "
            f"is of {here or 'geo_xmodal itself'}: install {network.package} in place of it"
        )


_BEFORE_STAGES = {
    "resnet50": "encoder.backbone.conv1.weight",
    "vit_s16": "encoder.backbone.patch_embed.proj.weight",
}
"""By network, a weight as versions named it whose backbones had no stages: `backbone.net.` begins it now."""


def _check_shapes(path: Path, card: Card) -> None:
    """See that the weights are those of the card's network, before either takes memory.

    A card of a kilobyte may ask for a network of 64 GB: on the `meta` device it has shapes and no numbers.
    """
    import torch

    from geo_xmodal.networks import PixelModel

    observed = read_tensor_header(path, _WEIGHTS_FILE).shapes
    former = _BEFORE_STAGES.get(card.network.name)
    if former is not None and any(name.endswith(former) for name in observed):
        raise BundleError(
            f"{path}: the weights of {card.network.name} are named as in an earlier geo_xmodal, which this "
            "version does not read: train again, or map with the geo_xmodal that wrote it"
        )
    try:
        with torch.device("meta"):
            model = PixelModel(card.spec, card.statistics, len(card.classes))
    except BundleError as error:
        raise BundleError(f"{path.parent / CARD}: {error}") from None
    except RuntimeError as error:  # more bytes than a number of 64 bits can say
        raise BundleError(
            f"{path.parent / CARD}: its network cannot be built ({str(error).splitlines()[0]})"
        ) from None
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name in sorted(expected.keys() | observed.keys()):
        if expected.get(name) != observed.get(name):
            raise BundleError(
                f"{path}: weight '{name}' has shape {observed.get(name)}, the card's network needs "
                f"{expected.get(name)}: card and weights are not of the same model"
            )


def _own(folder: Path, file: str) -> Path:
    """Where a file of the bundle in a folder lies.

    Raises:
        BundleError: as `bundle_folder`, or a link leads out of the bundle.
    """
    return inner_file(bundle_folder(folder), file, "model folder", BundleError)


def bundle_folder(folder: Path) -> Path:
    """The bundle in a folder: itself, or `model/` of a run folder.

    Raises:
        BundleError: if neither holds a card, or the run is not finished.
    """
    if (todo := unfinished(folder)) is not None:
        raise BundleError(f"{folder} {todo}")
    for candidate in (folder, folder / "model"):
        if (candidate / CARD).is_file():
            return candidate
    if (folder / "encoders" / CARD).is_file():
        raise BundleError(
            f"{folder} holds pretrained encoders, which know no classes: train a model that starts from them"
        )
    what = "is no folder" if not folder.is_dir() else f"holds no {CARD}, nor does its model/"
    raise BundleError(f"{folder} {what}: give a run folder or a model folder (with {CARD} and {WEIGHTS})")
