"""Galileo's encoder for one sensor at one date, in the layout of its published files.

Tseng et al. 2025, arXiv 2502.09356. No package holds it (the authors offer one file to copy): its blocks are
timm's, and what is around them, for the bands of one sensor, is here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn

from geo_xmodal.networks.published.catalogue import Published
from geo_xmodal.networks.published.wrapped import Wrapped

TOKEN = 8
"""Side of the patch that a token stands for, in pixels: that of the published projections."""

_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "S1": ("VV", "VH"),
        "S2_RGB": ("B2", "B3", "B4"),
        "S2_Red_Edge": ("B5", "B6", "B7"),
        "S2_NIR_10m": ("B8",),
        "S2_NIR_20m": ("B8A",),
        "S2_SWIR": ("B11", "B12"),
        "NDVI": ("NDVI",),
    }
)
"""Bands that share a token, in the order of the published channel embeddings."""

_MONTHS = 12
_MONTH = 5
"""Counted from 0, where no month is known: as in the authors' `construct_galileo_input`."""

_DATES = 24
"""Longest series that the published positions in time are laid out for."""


class Galileo(Wrapped):
    """Galileo's encoder; the vector is the mean of the tokens of the sensor's bands, normalised.

    Other inputs (weather, heights, land cover, place, NDVI) are masked, as in the authors' code where they
    are not given: their weights are left out.
    """

    def __init__(self, published: Published, side: int) -> None:
        super().__init__()
        self.net = _Encoder(published.sensor.bands, side // TOKEN, **published.settings)
        self.features = published.settings["embedding_size"]

    def forward(self, images: Tensor) -> Tensor:
        """(B, bands, side, side) -> (B, features)."""
        return cast(Tensor, self.net(images))

    def named(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Those of the sensor; queries, keys and values of a block lie in one matrix."""
        net = cast(_Encoder, self.net)
        others = tuple(f"space_time_embed.{group}." for group in _GROUPS if group not in net.groups)
        unused = ("space_embed.", "time_embed.", "static_embed.", "sp_channel_", "t_channel_", "st_channel_")
        plain = {name.replace(".backbone", ""): value for name, value in weights.items()}
        found = {name: value for name, value in plain.items() if not name.startswith(others + unused)}
        for block in range(len(net.blocks)):
            for kind in ("weight", "bias"):
                parts = [f"blocks.{block}.attn.{part}.{kind}" for part in "qkv"]
                if all(part in found for part in parts):
                    found[f"blocks.{block}.attn.qkv.{kind}"] = torch.cat([found.pop(part) for part in parts])
        return found


class _Projection(nn.Module):
    """(B, bands, side, side) -> (B, tokens, width)."""

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(bands, width, TOKEN, stride=TOKEN)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.proj(images)).flatten(2).transpose(1, 2)


class _Encoder(nn.Module):
    """Tokens of patches and groups of bands, with four encodings side by side, through a transformer.

    A quarter of a token's encoding is learned for its group, a quarter says the date in the series, a quarter
    the month, and a quarter the place in the image.
    """

    def __init__(
        self, bands: Sequence[str], side: int, embedding_size: int, depth: int, num_heads: int
    ) -> None:
        super().__init__()
        quarter = embedding_size // 4
        self.groups = {
            group: [bands.index(band) for band in members]
            for group, members in _GROUPS.items()
            if set(members) <= set(bands)
        }
        self.space_time_embed = nn.ModuleDict(
            {group: _Projection(len(at), embedding_size) for group, at in self.groups.items()}
        )
        self.s_t_channel_embed = nn.Parameter(torch.zeros(len(_GROUPS), quarter))
        self.pos_embed = nn.Parameter(sinusoids(quarter, torch.arange(_DATES)), requires_grad=False)
        self.month_embed = nn.Embedding(_MONTHS, quarter)
        self.month_embed.weight.requires_grad_(False)  # a table of the authors, which the file holds
        steps = torch.arange(side) * TOKEN  # in pixels of 10 m, which the authors call a resolution of 1
        down, across = torch.meshgrid(steps, steps, indexing="ij")
        place = [sinusoids(quarter // 2, at.flatten()) for at in (across, down)]
        self.place: Tensor
        self.register_buffer("place", torch.cat(place, 1), persistent=False)
        block = importlib.import_module("timm.models.vision_transformer").Block
        self.blocks = nn.ModuleList(
            [block(embedding_size, num_heads, qkv_bias=True, norm_layer=nn.LayerNorm) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        """(B, bands, side, side) -> (B, embedding_size)."""
        date = torch.cat([self.pos_embed[0], self.month_embed.weight[_MONTH]])
        parts = []
        for group, embed in self.space_time_embed.items():
            before = torch.cat([self.s_t_channel_embed[list(_GROUPS).index(group)], date])
            encoding = torch.cat([before.expand(len(self.place), -1), self.place], 1)
            parts.append(embed(images[:, self.groups[group]]) + encoding)
        x = torch.cat(parts, 1)
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.norm(x)).mean(1)


def sinusoids(width: int, at: Tensor) -> Tensor:
    """(n,) -> (n, width): sines, then cosines, of falling frequencies.

    Frequencies are those of the authors' code, whose exponents reach a quarter where the usual ones reach 1.
    """
    frequencies = 10_000 ** -(torch.arange(width // 2) / width / 2)
    angles = at[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)
