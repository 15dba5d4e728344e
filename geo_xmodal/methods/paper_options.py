"""Training as in the X-ModalNet paper: shared by it and by the methods it is held against.

Hong et al., "X-ModalNet", ISPRS Journal 2020 (arXiv 2006.13806), section 4.2 and Table 2. One set of patches,
widths, batches, epochs and optimiser for all of them, so that a difference between two is one of methods. The
paper does not say that it did so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from geo_xmodal.methods.base import same_names
from geo_xmodal.methods.target_branch import BranchOptions
from geo_xmodal.networks.limits import Width


class PaperOptions(BranchOptions):
    """Options that the paper's methods share; a subclass says which network maps.

    Defaults are the paper's for its HSI-SAR scene. Where it says nothing: patches of 7 x 7 pixels, the only
    odd size that the two valid convolutions of Table 2 turn into one vector of 64; Adam without weight
    decay; neither turned patches, nor noise, nor weighed classes, none of which it mentions.
    """

    means: ClassVar[Mapping[str, str]] = {
        **same_names("kernels", "widths", "dropout", "auxiliary_radius"),
        "components": "auxiliary_components",
    }
    search: ClassVar[Mapping[str, tuple[str, ...]]] = {"dropout": ("0.1", "0.3", "0.5")}

    epochs: int = Field(200, ge=1, description="passes over the labelled pixels, all stages together")
    batch_size: int = Field(300, ge=2, description="unlabelled pixels in a step")
    label_batch: int = Field(300, ge=2, description="labelled pixels in a step")
    pass_over: Literal["all", "labels"] = Field(
        "labels", description="pixels that an epoch passes over: all, or the labelled ones (as papers count)"
    )
    least_steps: int = Field(5, ge=1, description="steps in an epoch at least")
    optimizer: Literal["adam", "adamw", "lion"] = Field("adam", description="adam, adamw or lion")
    learning_rate: float = Field(5e-4, gt=0, description="highest learning rate")
    weight_decay: float = Field(0.0, ge=0, description="weight decay (decoupled in adamw)")
    schedule: Literal["cosine", "poly", "constant"] = Field(
        "poly", description="how the learning rate falls: cosine, poly (X-ModalNet) or constant"
    )
    augment: bool = Field(False, description="turn and mirror patches")
    noise: float = Field(0.0, ge=0, description="noise on standardised input, in standard deviations")
    balance: bool = Field(False, description="weigh classes alike, however many labels each has")
    kernels: tuple[int, ...] = Field((5, 3), description="sizes of the valid convolutions on the target")
    widths: tuple[int, ...] = Field((32, 64), description="features of each convolution")
    auxiliary_widths: tuple[Width, ...] = Field(
        (160, 64), min_length=1, description="features of each layer on the auxiliary sensor"
    )
    auxiliary_components: int | None = Field(
        None, ge=1, le=4096, description="principal components of the auxiliary bands; the bands if left out"
    )
    auxiliary_radius: int = Field(
        0, ge=0, le=8, description="auxiliary pixels around that are averaged, where components are seen"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="share of features dropped in every layer")
    batch_norm: bool = Field(True, description="batch norm in every layer")
    reconstruction: Literal["mean", "sum"] = Field(
        "mean", description="squared error over a pixel's values: their mean, or their sum (Eq. 6)"
    )
    reconstruction_weight: float = Field(1.0, ge=0, description="weight of each reconstruction")
    corruption: float = Field(
        0.3, ge=0, lt=1, description="share of input values hidden from a denoising autoencoder"
    )

    @property
    def auxiliary_margin(self) -> int:
        """Radius of the auxiliary patches."""
        return 0 if self.auxiliary_components is None else self.auxiliary_radius
