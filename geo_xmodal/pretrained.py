"""Encoders of two sensors that were pretrained together, on disk: weights without code, and a card.

A folder `encoders/` of a pretraining run holds `card.json` and, for each sensor, `encoder-NAME.safetensors`
and `projector-NAME.safetensors`. Loading executes nothing from the files, and refuses whatever is missing,
changed, of another schema or of another shape.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from geo_xmodal.bundle import CARD, NetworkEntry, TargetEntry, check_package
from geo_xmodal.errors import BundleError, ModelMismatchError
from geo_xmodal.networks import NETWORKS, BranchEncoder, NetworkSpec, Projector, Standardize
from geo_xmodal.outputs import replaced_folder, unfinished
from geo_xmodal.small_files import (
    SmallFile,
    StrictTable,
    file_errors,
    inner_file,
    read_bytes,
    read_json_object,
    read_tensor_header,
    validated,
)
from geo_xmodal.types import BandStatistics

SCHEMA: Literal[1] = 1
FOLDER = "encoders"
"""Of a pretraining run."""

MAX_DIMENSIONS = 1 << 16

_CARD_FILE = SmallFile(
    "the card of pretrained encoders", BundleError, "the file is damaged: get the run again", 4 << 20
)
_WEIGHTS_FILE = SmallFile(
    "weights of pretraining", BundleError, "the file is damaged or cut short: get the run again", 8 << 30
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class SensorEntry(TargetEntry):
    """One of the two sensors, and which network encodes it."""

    network: NetworkEntry
    margin: int = Field(ge=0, le=512)
    """Pixels on each side that a feature looks at."""
    features: int = Field(ge=1, le=4096)
    """Width of the encoder's output."""
    encoder_sha256: str = Field("", max_length=64)
    projector_sha256: str = Field("", max_length=64)

    @property
    def spec(self) -> NetworkSpec:
        """The network of the encoder."""
        return NetworkSpec(self.network.name, self.network.options)

    @property
    def band_statistics(self) -> BandStatistics:
        """How raw bands become input."""
        return BandStatistics(**self.statistics.model_dump())


class PretrainedCard(StrictTable):
    """Everything about pretrained encoders but their weights."""

    schema_version: Literal[1] = SCHEMA
    method: str = Field(max_length=100)
    """What pretrained them: decur, barlow_twins, simclr, clip, vicreg, or random for none."""
    dimensions: int = Field(ge=1, le=MAX_DIMENSIONS)
    """K of the embeddings."""
    common: int = Field(ge=0, le=MAX_DIMENSIONS)
    """How many of them, the first ones, the sensors have in common; K where the method tells none apart."""
    width: int = Field(ge=1, le=MAX_DIMENSIONS)
    """Of the projectors' hidden layers."""
    sensors: tuple[SensorEntry, SensorEntry]
    """The target sensor of the scene, and the auxiliary one."""
    scene: str = Field(max_length=500)
    simulated: bool
    transductive: bool = False
    """Whether pixels under test labels took part."""
    training: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_together(self) -> PretrainedCard:
        if self.common > self.dimensions:
            raise ValueError(f"common is {self.common}, of {self.dimensions} dimensions")
        names = [one.modality for one in self.sensors]
        if names[0] == names[1] or not all(_NAME.fullmatch(name) for name in names):
            raise ValueError(
                f"sensors are called {names}: expected two names of letters, digits, '_', '.', '-'"
            )
        return self


@dataclass(frozen=True)
class PretrainedSensor:
    """One sensor with its networks, in evaluation mode.

    Attributes:
        entry: Of the card: name, kind, bands and their statistics.
        standardize: (B, bands, H, W) raw values, NaN where there is none -> the same shape, finite.
        encoder: (B, bands, H + 2m, W + 2m) standardised -> (B, features, H, W), m = `encoder.margin`.
        projector: (n, features) -> (n, dimensions), of zero mean and unit variance over what was trained on.
    """

    entry: SensorEntry
    standardize: Standardize
    encoder: BranchEncoder
    projector: Projector

    @property
    def name(self) -> str:
        """Of the modality in its scene."""
        return self.entry.modality

    @property
    def side(self) -> int:
        """Side of the patch, in pixels, that gives one feature vector."""
        return 2 * self.encoder.margin + 1

    def features(self, raw: Tensor) -> Tensor:
        """(B, features, H, W) of raw values (B, bands, H + 2m, W + 2m).

        Raises:
            ModelMismatchError: `raw` has other bands, or is smaller than a patch.
        """
        if raw.ndim != 4 or raw.shape[1] != self.encoder.bands or min(raw.shape[2:]) < self.side:
            raise ModelMismatchError(
                f"input of shape {tuple(raw.shape)}; the encoder of {self.name} needs "
                f"(batch, {self.encoder.bands}, >={self.side}, >={self.side})"
            )
        return cast(Tensor, self.encoder(self.standardize(raw)))

    def embeddings(self, raw: Tensor) -> Tensor:
        """(n, dimensions) of raw patches (n, bands, side, side).

        Raises:
            ModelMismatchError: As `features`.
        """
        features = self.features(raw)
        return cast(Tensor, self.projector(features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])))


@dataclass(frozen=True)
class Pretrained:
    """Encoders of two sensors that were pretrained together.

    Attributes:
        card: What is known of them.
        sensors: The target sensor of the scene, and the auxiliary one.
    """

    card: PretrainedCard
    sensors: tuple[PretrainedSensor, PretrainedSensor]

    @property
    def common(self) -> int:
        """How many dimensions of the embeddings, the first ones, are common."""
        return self.card.common

    @property
    def dimensions(self) -> int:
        """Dimensions of the embeddings."""
        return self.card.dimensions

    def sensor(self, name: str) -> PretrainedSensor:
        """The sensor of a name.

        Raises:
            ModelMismatchError: There is none of this name.
        """
        for one in self.sensors:
            if one.name == name:
                return one
        known = " and ".join(one.name for one in self.sensors)
        raise ModelMismatchError(f"'{name}' was not pretrained: the run has {known}")


def save_pretrained(folder: Path, pretrained: Pretrained) -> PretrainedCard:
    """Write encoders and projectors with their card; the folder appears whole or not at all.

    Returns:
        The card as written, with the sha256 of the weights.

    Raises:
        OutputError: The folder cannot be written.
    """
    files: dict[str, bytes] = {}
    entries = []
    for one in pretrained.sensors:
        encoder, projector = _content(one.encoder.network), _content(one.projector)
        files |= {_encoder_file(one.name): encoder, _projector_file(one.name): projector}
        package = NETWORKS.package_of(one.entry.network.name)
        entries.append(
            one.entry.model_copy(
                update={
                    "network": one.entry.network.model_copy(update={"package": package}),
                    "encoder_sha256": hashlib.sha256(encoder).hexdigest(),
                    "projector_sha256": hashlib.sha256(projector).hexdigest(),
                }
            )
        )
    card = pretrained.card.model_copy(update={"sensors": tuple(entries)})
    with replaced_folder(folder) as beside:
        for name, content in files.items():
            (beside / name).write_bytes(content)
        (beside / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return card


def is_pretraining(path: Path) -> bool:
    """Whether a path is a pretraining run, or its folder `encoders/`; nothing of it is read."""
    return any(next(iter(folder.glob(_encoder_file("*"))), None) for folder in (path, path / FOLDER))


def load_pretrained(run: Path | str) -> Pretrained:
    """Encoders and projectors of a pretraining run, or of its folder `encoders/`, in evaluation mode.

    Raises:
        BundleError: Anything is missing or does not fit.
    """
    folder, card = _read(Path(run))
    sensors = [_load_sensor(folder, entry, card) for entry in card.sensors]
    return Pretrained(card, (sensors[0], sensors[1]))


def read_pretrained_card(run: Path | str) -> PretrainedCard:
    """The checked card of a pretraining run, or of its folder `encoders/`.

    Raises:
        BundleError: There is none, or it does not fit the schema.
    """
    return _read(Path(run))[1]


def encoder_file(run: Path | str, name: str) -> Path:
    """Where the weights of the encoder of the sensor `name` lie, named as a target branch names them.

    Raises:
        BundleError: As `read_pretrained_card`.
    """
    return inner_file(_folder(Path(run)), _encoder_file(name), "folder", BundleError)


def _encoder_file(name: str) -> str:
    return f"encoder-{name}.safetensors"


def _projector_file(name: str) -> str:
    return f"projector-{name}.safetensors"


def _content(module: nn.Module) -> bytes:
    return save_tensors({name: one.detach().cpu().contiguous() for name, one in module.state_dict().items()})


def _folder(run: Path) -> Path:
    if (todo := unfinished(run)) is not None:
        raise BundleError(f"{run} {todo}")
    for candidate in (run, run / FOLDER):
        if (candidate / CARD).is_file():
            return candidate
    what = "is no folder" if not run.is_dir() else f"holds no {FOLDER}/{CARD}"
    raise BundleError(f"{run} {what}: give the folder of a pretraining run")


def _read(run: Path) -> tuple[Path, PretrainedCard]:
    folder = _folder(run)
    path = inner_file(folder, CARD, "folder", BundleError)
    raw = read_json_object(path, _CARD_FILE)
    if "sensors" not in raw:
        raise BundleError(f"{path}: the card of a model, not of pretrained encoders: give a pretraining run")
    if raw.get("schema_version") != SCHEMA:
        raise BundleError(
            f"{path}: schema_version is {raw.get('schema_version')!r}, this version reads {SCHEMA}: "
            "pretrain again, or use the geo_xmodal that wrote it"
        )
    return folder, validated(PretrainedCard, raw, path, _CARD_FILE)


def _load_sensor(folder: Path, entry: SensorEntry, card: PretrainedCard) -> PretrainedSensor:
    check_package(folder / CARD, entry.network)
    paths = [
        inner_file(folder, name(entry.modality), "folder", BundleError)
        for name in (_encoder_file, _projector_file)
    ]
    shapes = [read_tensor_header(path, _WEIGHTS_FILE).shapes for path in paths]
    try:
        with torch.device("meta"):  # shapes without memory: a card of a kilobyte may ask for any network
            planned = _networks(entry, card)
    except (BundleError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{folder / CARD}: the encoder of {entry.modality}: {reason}") from None
    for path, found, module in zip(paths, shapes, (planned[0].network, planned[1]), strict=True):
        _check_shapes(path, found, module)
    encoder, projector = _networks(entry, card)
    if (encoder.margin, encoder.features) != (entry.margin, entry.features):
        raise BundleError(
            f"{folder / CARD}: margin and features of {entry.modality} are {entry.margin}, {entry.features}; "
            f"its network has {encoder.margin}, {encoder.features}"
        )
    for path, module, digest in (
        (paths[0], encoder.network, entry.encoder_sha256),
        (paths[1], projector, entry.projector_sha256),
    ):
        module.load_state_dict(_weights(path, digest))
    return PretrainedSensor(entry, Standardize(entry.band_statistics), encoder.eval(), projector.eval())


def _networks(entry: SensorEntry, card: PretrainedCard) -> tuple[BranchEncoder, Projector]:
    encoder = BranchEncoder(entry.spec, len(entry.statistics.bands))
    return encoder, Projector(encoder.features, card.width, card.dimensions)


def _check_shapes(path: Path, found: Mapping[str, tuple[int, ...]], module: nn.Module) -> None:
    expected = {name: tuple(one.shape) for name, one in module.state_dict().items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise BundleError(
                f"{path}: weight '{name}' has shape {found.get(name)}, the card's network needs "
                f"{expected.get(name)}: card and weights are not of the same run"
            )


def _weights(path: Path, digest: str) -> dict[str, Tensor]:
    content = read_bytes(path, _WEIGHTS_FILE)
    if (found := hashlib.sha256(content).hexdigest()) != digest:
        raise BundleError(
            f"{path}: sha256 is {found[:12]}..., the card says {digest[:12]}...: "
            "the file was changed or cut short; get the run again"
        )
    with file_errors(path, _WEIGHTS_FILE, SafetensorError):
        state = load_tensors(content)
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise BundleError(f"{path}: weight '{name}' holds values that are not finite")
    return state
