"""What X-ModalNet can be told: its modules, and what its paper leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from geo_xmodal.methods.paper_options import PaperOptions
from geo_xmodal.networks import NetworkSpec
from geo_xmodal.objectives import Reading


class XModalNetOptions(PaperOptions):
    """Options of `x_modalnet`; docs/methods.md gives the reason of every default."""

    search: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "pseudo_weight": ("0.1", "0.3", "1"),
        "adversarial_weight": ("0.1", "0.3", "1"),
        "reconstruction_weight": ("0.1", "1", "10"),
    }

    sa: bool = Field(True, description="self-adversarial module")
    il: Literal["eq4", "mixed", "off"] = Field(
        "eq4", description="interactive-learning module: eq4 (as printed), mixed (as in MDL-RS) or off"
    )
    propagation: Literal["graph", "svm", "off"] = Field(
        "graph",
        description="pseudo-labels: graph (an SVM's, then propagated round by round), svm (the SVM's alone) "
        "or off (no unlabelled stream)",
    )
    test_head: Literal["unimodal", "joint_zero"] = Field(
        "unimodal",
        description="what maps: unimodal (the unlabelled stream's head) or joint_zero (the joint layers, "
        "zeros for the auxiliary sensor)",
    )
    label_unimodal_head: bool = Field(
        True, description="the head that maps learns the labels, too, not only pseudo-labels"
    )
    adversarial: Reading = Field(
        "standard", description="reading of Eq. 7: standard, reversal or cooperative"
    )
    adversarial_weight: float = Field(1.0, ge=0, description="weight of each adversarial term")
    pseudo_weight: float = Field(1.0, ge=0, description="weight of the pseudo-labels")
    pseudo_labels: Literal["hard", "soft"] = Field(
        "hard", description="propagated labels as classes or shares"
    )
    pretrain_share: float = Field(0.1, ge=0, lt=1, description="share of the epochs for the autoencoders")
    rounds: int = Field(4, ge=1, le=20, description="rounds at most; pseudo-labels change between them")
    settle: float = Field(
        0.005, ge=0, lt=1, description="share of changed pseudo-labels at which rounds stop"
    )
    neighbours: int = Field(15, ge=1, le=1000, description="neighbours of a pixel in the graph")
    sigma: Literal["auto", "neighbours"] | Annotated[float, Field(gt=0)] = Field(
        "auto",
        description="width of the similarity (Eq. 1): auto chooses it by cross-validation, neighbours gives "
        "each pixel its own",
    )
    legacy: bool = Field(
        False, description="the paper's protocol: test pixels are the unlabelled ones (transductive)"
    )

    @property
    def network(self) -> NetworkSpec:
        """`x_modalnet`: what is left of it without the auxiliary sensor."""
        names = ("kernels", "widths", "sa", "il", "test_head", "dropout", "batch_norm")
        return NetworkSpec("x_modalnet", {name: getattr(self, name) for name in names})

    @model_validator(mode="after")
    def _widths_meet(self) -> Self:
        if self.il != "off" and not self.sa and self.widths[-1] != self.auxiliary_widths[-1]:
            raise ValueError(
                f"widths end in {self.widths[-1]} and auxiliary_widths in {self.auxiliary_widths[-1]}: the "
                "interactive-learning module is shared by both sensors and needs the same number"
            )
        return self

    @model_validator(mode="after")
    def _head_learns(self) -> Self:
        pseudo = self.propagation != "off" and self.pseudo_weight > 0
        if self.test_head == "unimodal" and not self.label_unimodal_head and not pseudo:
            raise ValueError(
                "nothing would train the head that maps: without pseudo-labels it needs label_unimodal_head"
            )
        return self


_BASE = {"sa": "false", "il": "off", "propagation": "off"}

ABLATION: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "base": _BASE,
        "+ IL": {key: value for key, value in _BASE.items() if key != "il"},
        "+ IL + LP": {"sa": "false"},
        "+ IL + LP + SA": {},
        "without batch norm and dropout": {"batch_norm": "false", "dropout": "0"},
        "without batch norm": {"batch_norm": "false"},
        "without dropout": {"dropout": "0"},
    }
)
"""The rows of the paper's Table 6, each as what it changes of the defaults."""

NOISE_ROWS = ("+ IL + LP",)
"""What the paper says of noise concerns the self-adversarial module: the row without it."""
