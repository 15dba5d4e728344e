"""`average`: networks of one sensor whose probabilities are averaged; for maps they are one network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from geo_xmodal.networks.limits import NetworkOptions

if TYPE_CHECKING:
    from geo_xmodal.networks.registry import NetworkSpec

MAX_MEMBERS = 16

_TILE = 64
_MIN = 1e-12
"""Probability below which no logarithm is taken."""


class MemberOptions(NetworkOptions):
    """One of the networks: its name, and its own options."""

    name: Annotated[str, Field(max_length=100)]
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _is_no_average(cls, name: str) -> str:
        if name == "average":
            raise ValueError("an average is no member of an average")
        return name

    @property
    def spec(self) -> NetworkSpec:
        """The network that it asks for."""
        from geo_xmodal.networks.registry import NetworkSpec  # which knows this network, too

        return NetworkSpec(self.name, self.options)


class AverageOptions(NetworkOptions):
    """Options of `average`: its members."""

    members: tuple[MemberOptions, ...] = Field(min_length=1, max_length=MAX_MEMBERS)

    @property
    def margin(self) -> int:
        """That of the member that looks furthest."""
        return max(member.spec.margin for member in self.members)


class Average(nn.Module):
    """Logarithm of the weighted mean of the members' probabilities, each at a temperature of its own.

    p = sum_k weight_k softmax(logits_k / temperature_k), so that a softmax of what it gives is p. A
    temperature above 1 makes a member less sure (Guo et al., "On Calibration of Modern Neural Networks", ICML
    2017, section 4.2).

    Attributes:
        members: the networks.
        traceable: whether an engine other than PyTorch can run all of them.
        weight: (members,), of sum 1.
        temperature: (members,), above 0.
    """

    weight: Tensor
    temperature: Tensor

    def __init__(self, bands: int, classes: int, options: AverageOptions) -> None:
        from geo_xmodal.networks.registry import build_network  # which knows this network, too

        super().__init__()
        self.members = nn.ModuleList(build_network(member.spec, bands, classes) for member in options.members)
        self.margin = options.margin
        self.traceable = all(getattr(member, "traceable", True) for member in self.members)
        self.tile = min(getattr(member, "tile", _TILE) for member in self.members)
        count = len(self.members)
        self.register_buffer("weight", torch.full((count,), 1 / count))
        self.register_buffer("temperature", torch.ones(count))

    def of_members(self, chosen: Sequence[int]) -> Average:
        """The average of some members (by place, from 0) alone, as copies; weights are made to sum to 1."""
        made = copy.deepcopy(self)
        made.members = nn.ModuleList(made.members[k] for k in chosen)
        made.weight = self.weight[list(chosen)] / self.weight[list(chosen)].sum()
        made.temperature = self.temperature[list(chosen)]
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(B, bands, H + 2m, W + 2m) standardised -> (B, classes, H, W) logarithms of probabilities."""
        together = torch.zeros(())
        for k, member in enumerate(self.members):
            cut = self.margin - cast(int, member.margin)
            seen = x[:, :, cut : x.shape[2] - cut, cut : x.shape[3] - cut]
            together = together + self.weight[k] * (member(seen) / self.temperature[k]).softmax(1)
        return together.clamp(min=_MIN).log()
