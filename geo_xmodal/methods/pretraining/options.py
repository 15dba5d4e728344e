"""What a pretraining can be told: networks, views, loss and steps."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from geo_xmodal.kinds import Kind
from geo_xmodal.methods.base import LoopOptions
from geo_xmodal.methods.target_branch import BRANCH_RECIPES, PixelBranchOptions
from geo_xmodal.networks import NetworkSpec, branch_help, check_spec, checked_branch
from geo_xmodal.networks.backbones import BACKBONES, AttentionName
from geo_xmodal.objectives.self_supervised import PUBLISHED_WEIGHT

PRETRAINING_METHODS: Mapping[str, str] = MappingProxyType(
    {
        "decur": "common and unique dimensions of two sensors (DeCUR, ECCV 2024)",
        "barlow_twins": "every dimension common, decorrelated from the others (Barlow Twins, ICML 2021)",
        "simclr": "each half of a pair told from both sensors' other samples (NT-Xent, ICML 2020)",
        "clip": "each half of a pair told from the other sensor's samples, learned scale (CLIP, ICML 2021)",
        "vicreg": "invariance, variance and covariance across sensors (VICReg, ICLR 2022)",
        "random": "no pretraining: random weights, with batch norms of these samples, to compare with",
    }
)
"""What pretrains, by name."""

MAX_IMAGE = 513
"""Pixels; images have a pixel in the middle."""

_FLAT: frozenset[Kind] = frozenset({"lidar", "dem"})
_COMMON, _COMMON_WITH_HEIGHTS = 0.875, 0.75
_BIAS_RATE = 0.0048 / 0.2
_PIXELWISE: frozenset[Kind] = frozenset({"hsi", "embedding"})


class PretrainingOptions(LoopOptions):
    """Options of a pretraining.

    Defaults are those of the paper where they do not depend on the size of networks and data; 8,192
    dimensions, LARS and 100 epochs of 250,000 chips are for a cluster, and can be asked for.
    """

    means: ClassVar[Mapping[str, str]] = {}
    search: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    epochs: int = Field(20, ge=1, description="passes over the pairs")
    batch_size: int = Field(256, ge=4, description="pairs in a step")
    optimizer: Literal["adam", "adamw", "lion", "lars"] = Field(
        "adamw", description="adamw, or lars (the paper's: learning_rate=0.2, weight_decay=1e-6)"
    )
    learning_rate: float = Field(1e-3, gt=0, description="highest learning rate")
    bias_rate: float = Field(
        _BIAS_RATE,
        gt=0,
        description="share of the learning rate for biases and batch norms with lars (0.0048 of 0.2)",
    )
    weight_decay: float = Field(1e-2, ge=0, description="weight decay")

    dimensions: int = Field(512, ge=2, le=16_384, description="of the embeddings (the paper's: 8192)")
    projector_width: int = Field(
        512, ge=2, le=16_384, description="of the projectors' hidden layers (the paper's: 8192)"
    )
    shared_projector: bool = Field(
        False, description="one projector for both sensors, as in DeCUR's released code"
    )
    common: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of common dimensions (default, as published: 0.875, or 0.75 with heights)",
    )
    form: Literal["paper", "code"] = Field(
        "paper", description="DeCUR's parts weighed as in the paper, or as in its released code"
    )
    off_diagonal: float = Field(
        PUBLISHED_WEIGHT, ge=0, description="weight of correlations between dimensions (decur, barlow_twins)"
    )
    temperature: float = Field(0.1, gt=0, description="of simclr")

    crop: float = Field(
        0.6, gt=0, le=1, description="least share of a sample that a view shows (the paper's: 0.2); 1 for all"
    )
    noise: float = Field(0.1, ge=0, description="noise on standardised views, in standard deviations")
    draws: int = Field(16, ge=1, description="parts of a batch that are augmented apart from each other")
    preprocessing: Literal["percentiles", "paper"] = Field(
        "percentiles",
        description="where values are clipped: at 0.5 and 99.5 %, or as in DeCUR's appendix (radar at 1 and "
        "99 %, others at two standard deviations)",
    )
    window: int = Field(
        0,
        ge=0,
        le=129,
        description="side of the samples that views are cut from, in pixels; 0 for the encoder's",
    )

    image: int = Field(
        0,
        ge=0,
        le=MAX_IMAGE,
        description="side of images that encoders see whole, in pixels, for backbones of networks on windows "
        "(fcn, segformer, transfer); 0 for the patch around a pixel",
    )

    encoder: str = Field("pixel_cnn", description=f"of the target sensor: {branch_help()}")
    patch: int = Field(11, ge=1, description="side of the patches that backbones see, in pixels")
    attention: AttentionName = Field("none", description="what follows the last two stages of backbones")
    contrasts: tuple[int, ...] = Field((7, 15), description="sizes of the means that bands are held against")
    kernels: tuple[int, ...] = Field((5, 3), description="sizes of the valid convolutions")
    widths: tuple[int, ...] = Field((32, 64), description="features of each convolution")
    embedding: int = Field(64, ge=1, le=4096, description="features that a pixel is described by")
    auxiliary_encoder: str = Field("pixel_cnn", description="the same of the auxiliary sensor")
    auxiliary_contrasts: tuple[int, ...] = Field((7, 15), description="the same of the auxiliary sensor")
    auxiliary_kernels: tuple[int, ...] = Field((5, 3), description="the same of the auxiliary sensor")
    auxiliary_widths: tuple[int, ...] = Field((32, 64), description="the same of the auxiliary sensor")

    @property
    def network(self) -> NetworkSpec:
        """The encoder of the target sensor."""
        return self._network("")

    @property
    def auxiliary_network(self) -> NetworkSpec:
        """The encoder of the auxiliary sensor."""
        return self._network("auxiliary_")

    @property
    def margin(self) -> int:
        """Radius of the samples of the target sensor."""
        return self._radius(self.network)

    @property
    def auxiliary_margin(self) -> int:
        """Radius of the samples of the auxiliary sensor."""
        return self._radius(self.auxiliary_network)

    def common_dimensions(self, kinds: tuple[Kind, Kind]) -> int:
        """How many dimensions are common.

        Args:
            kinds: Of the two sensors, for the share that was published for such.
        """
        published = _COMMON_WITH_HEIGHTS if _FLAT & set(kinds) else _COMMON
        return round((published if self.common is None else self.common) * self.dimensions)

    def _network(self, prefix: str) -> NetworkSpec:
        settings = {name: getattr(self, f"{prefix}{name}") for name in ("contrasts", "kernels", "widths")}
        # dropout is of the training that follows, on labels
        both = {
            "patch": self.patch,
            "embedding": self.embedding,
            "attention": self.attention,
            "dropout": 0.0,
        }
        return NetworkSpec.chosen(getattr(self, f"{prefix}encoder"), settings | both)

    def side(self, margin: int) -> int:
        """Side of the views of a sensor: whole images, or what an encoder of this margin sees of a pixel."""
        return self.image or 2 * margin + 1

    def _radius(self, network: NetworkSpec) -> int:
        if self.image:
            return max(self.image, self.window) // 2
        return max(network.margin, self.window // 2) if network.margin else 0

    @field_validator("encoder", "auxiliary_encoder")
    @classmethod
    def _encoder_exists(cls, name: str) -> str:
        return checked_branch(name)

    @field_validator("window", "image")
    @classmethod
    def _odd(cls, side: int) -> int:
        if side and side % 2 == 0:
            raise ValueError(f"{side} pixels a side: must be odd, so that there is one in the middle")
        return side

    @model_validator(mode="after")
    def _networks_exist(self) -> PretrainingOptions:
        for network in (self.network, self.auxiliary_network):
            check_spec(network)
            seen = 2 * network.margin + 1
            if network.name in BACKBONES:  # which see the whole image, whatever their patches are
                seen = max(seen, BACKBONES[network.name].smallest)
            if 0 < self.image < seen:
                raise ValueError(
                    f"image {self.image} is smaller than the {seen} pixels a side that "
                    f"{network.name} looks at: make it larger, or 0"
                )
        return self


def recipe(target: Kind, auxiliary: Kind | None) -> dict[str, str]:
    """Settings beneath those that a user gives, by kinds of sensors: encoders as training has them.

    An HSI, or an embedding, is encoded pixel by pixel, as methods with an auxiliary sensor see it.
    """
    known = PixelBranchOptions.model_fields.keys() & PretrainingOptions.model_fields.keys()
    settings = {name: value for name, value in BRANCH_RECIPES.get(target, {}).items() if name in known}
    if auxiliary in _PIXELWISE:
        settings |= {"auxiliary_contrasts": "", "auxiliary_kernels": "1,1", "auxiliary_widths": "128,64"}
    return settings
