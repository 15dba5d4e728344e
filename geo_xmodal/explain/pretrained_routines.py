"""The routines for a pretraining run: what two sensors share, and what is each one's own.

The five of DeCUR's appendix, Algorithm 2 (arXiv 2309.05300), and occlusion. There an image gives one
embedding; here every pixel does, with the patch around it, so that maps have the resolution of the scene.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from geo_xmodal.explain.bands import BandGroup, band_groups
from geo_xmodal.explain.charts import (
    BandAxis,
    Losses,
    draw_alignment,
    draw_distributions,
    draw_maps,
    draw_occlusion,
    draw_plane,
    draw_sensors,
)
from geo_xmodal.explain.class_activation import (
    NO_PLACES,
    FeatureLayer,
    check_window,
    class_activation,
    tiles_of,
)
from geo_xmodal.explain.embeddings import agreement, alignment, counterparts_found, laid_out, normalised
from geo_xmodal.explain.explanation import Routine, Table, percent, rounded
from geo_xmodal.explain.integrated_gradients import BandAttributions, integrated_gradients
from geo_xmodal.explain.outputs import write_raster
from geo_xmodal.explain.pixels import AT_ONCE, busiest_window
from geo_xmodal.pretrained import Pretrained, PretrainedSensor
from geo_xmodal.raster import Band, WindowReader
from geo_xmodal.types import FloatArray, IntArray, Progress, Window
from geo_xmodal.wording import counted

NAMES = ("alignment", "tsne", "gradcam", "agreement", "integrated_gradients", "occlusion")
"""The routines for pretraining runs, in their order."""

MAX_POINTS = 300
"""Dimensions of each sensor that t-SNE lays out."""

_BLOCK = 16
"""Rows and columns of the blocks that agreement is measured in."""

_TILE_VALUES = 1 << 22
"""Values of the widest layer that are held for a tile."""


@dataclass(frozen=True, eq=False)
class View:
    """One of the sensors, and what it sees of the pixels.

    Attributes:
        sensor: With its networks.
        reader: Its bands in the order of the networks.
        patches: (n, band, side, side) standardised.
    """

    sensor: PretrainedSensor
    reader: WindowReader
    patches: Tensor

    @property
    def name(self) -> str:
        """Of the sensor."""
        return self.sensor.name

    @property
    def bands(self) -> tuple[Band, ...]:
        """Its bands."""
        return self.reader.bands

    @cached_property
    def groups(self) -> tuple[BandGroup, ...]:
        """Groups of its bands."""
        return band_groups(self.bands)

    @torch.no_grad()
    def embedded(self, patches: Tensor) -> Tensor:
        """(n, K) embeddings of standardised patches."""
        parts = torch.split(patches, AT_ONCE)
        return torch.cat([self.sensor.projector(self.sensor.encoder(part).flatten(1)) for part in parts])

    @cached_property
    def embeddings(self) -> Tensor:
        """(n, K) of all pixels."""
        return self.embedded(self.patches)


@dataclass(frozen=True, eq=False)
class Pair:
    """Pretrained encoders on a scene, and the pixels that they are explained on.

    Attributes:
        pretrained: The encoders.
        views: Of the target sensor, and of the auxiliary one.
        position: (n, 2) of the pixels, at which both have data.
        points: Whether the scene is made of points.
        steps: Of Integrated Gradients.
        window: Where Grad-CAM looks; None for the part with most of the pixels.
        seed: Of what is drawn.
        progress: Told of steps.
    """

    pretrained: Pretrained
    views: tuple[View, View]
    position: IntArray
    points: bool
    steps: int
    window: Window | None
    seed: int
    progress: Progress | None

    @property
    def parts(self) -> dict[str, slice]:
        """Dimensions of the embeddings: common, and unique where the run tells them apart."""
        common, all_of_them = self.pretrained.common, self.pretrained.dimensions
        found = {"common": slice(0, common), "unique": slice(common, all_of_them)}
        return {name: one for name, one in found.items() if one.stop > one.start}

    def means(self, embeddings: Tensor) -> Tensor:
        """(n, parts): the mean of the dimensions of each part, the numbers that are explained."""
        return torch.stack([embeddings[:, one].mean(dim=1) for one in self.parts.values()], dim=1)

    def tell(self, done: int, total: int, message: str) -> None:
        """Report a step."""
        if self.progress is not None:
            self.progress(done, total, message)

    @cached_property
    def seen(self) -> Window:
        """The window of Grad-CAM."""
        shape = self.views[0].reader.grid.shape
        return self.window or busiest_window(self.position, (int(shape[0]), int(shape[1])))

    @cached_property
    def activations(self) -> tuple[FloatArray, FloatArray]:
        """(part, row, col) Grad-CAM of each sensor over the window."""
        check_window(self.seen, 2 * len(self.parts))
        layers = [_layer(self, view) for view in self.views]
        total, done = sum(tiles_of(layer, self.seen) for layer in layers), [0]

        def step() -> None:
            done[0] += 1
            self.tell(done[0], total, "Grad-CAM")

        made = [
            class_activation(view.sensor.standardize, layer, view.reader.read, self.seen, step)
            for view, layer in zip(self.views, layers, strict=True)
        ]
        return made[0], made[1]


def _layer(pair: Pair, view: View) -> FeatureLayer:
    sensor = view.sensor

    def head(features: Tensor) -> Tensor:
        batch, _, height, width = features.shape
        flat = features.permute(0, 2, 3, 1).flatten(0, 2)
        means = pair.means(sensor.projector(flat))
        return means.reshape(batch, height, width, -1).permute(0, 3, 1, 2)

    widest = max(pair.pretrained.dimensions, pair.pretrained.card.width)
    tile = max(8, min(sensor.encoder.network.tile, math.isqrt(_TILE_VALUES // widest)))
    return FeatureLayer(sensor.name, sensor.encoder.margin, tile, sensor.encoder, head)


def alignment_routine(pair: Pair) -> Routine:
    """Routine 1: the cross-modal alignment histogram."""
    first, second = (view.embeddings for view in pair.views)
    made = alignment(first, second, pair.pretrained.common)
    means = {name: made.correlation[part].mean().item() for name, part in pair.parts.items()}
    histograms, entries = {}, {}
    for name, part in pair.parts.items():
        shares, above = made.histogram(part)
        histograms[name] = shares, above
        entries[name] = {
            "dimensions": part.stop - part.start,
            "mean_correlation": rounded([means[name]])[0],
            "mean_loss": rounded([made.losses[part].mean().item()])[0],
            "above_1": rounded([above])[0],
            "histogram": rounded(shares.tolist()),
        }
    said = "; ".join(f"{name} dimensions correlate by {mean:.2f} on average" for name, mean in means.items())
    return Routine(
        name="alignment",
        title="Alignment: how each dimension goes along with the other sensor’s",
        says=f"{said[0].upper()}{said[1:]}.",
        numbers={"pixels": len(pair.position), "range": [0, 1], "parts": entries},
        draw=partial(draw_alignment, parts=histograms),
        caption="Histogram of (1 - correlation)² between the two sensors’ values of a dimension, over "
        f"{len(pair.position):,} pixels (DeCUR, Algorithm 2, routine 1). Dimensions above 1, whose "
        "correlation "
        "is negative, lie outside of the figure; the table says how many.",
        tables=(
            Table(
                "By part of the embedding.",
                ("Dimensions", "How many", "Mean correlation", "Mean loss", "Share above 1"),
                tuple(
                    (
                        name,
                        str(one["dimensions"]),
                        _number(one["mean_correlation"]),
                        _number(one["mean_loss"]),
                        _number(one["above_1"]),
                    )
                    for name, one in entries.items()
                ),
            ),
        ),
    )


def tsne_routine(pair: Pair) -> Routine:
    """Routine 2: dimensions of both sensors in the plane."""
    pair.tell(0, 0, "t-SNE")
    rng = np.random.default_rng(pair.seed)
    total = pair.pretrained.dimensions
    chosen = np.sort(rng.permutation(total)[:MAX_POINTS])
    first, second = (view.embeddings for view in pair.views)
    found = counterparts_found(first, second)
    places = laid_out(first[:, chosen], second[:, chosen], pair.seed)
    kinds = []
    for name, part in pair.parts.items():
        own = np.flatnonzero((chosen >= part.start) & (chosen < part.stop))
        for k, view in enumerate(pair.views):
            kinds.append((f"{view.name}, {name}", (own + k * len(chosen)).tolist()))
    shares = {name: found[part].float().mean().item() for name, part in pair.parts.items()}
    said = " and ".join(f"{share:.0%} of the {name} dimensions" for name, share in shares.items())
    return Routine(
        name="tsne",
        title="t-SNE of the dimensions",
        says=f"The dimension of the other sensor that is most like it is its own counterpart for {said} "
        f"(by chance {1 / total:.1%}).",
        numbers={
            "pixels": len(pair.position),
            "points": 2 * len(chosen),
            "counterpart_found": {name: rounded([share])[0] for name, share in shares.items()},
            "chance": rounded([1 / total])[0],
        },
        draw=partial(draw_plane, places=places, kinds=kinds),
        caption="A point is a dimension of a sensor’s embedding, described by its values at "
        f"{len(pair.position):,} "
        f"pixels ({counted(len(chosen), 'dimension')} of each sensor; DeCUR, Algorithm 2, routine 2). Common "
        "dimensions of both sensors should lie together, unique ones apart. Distances mean little: the "
        "number "
        "is of correlations.",
    )  # fmt: skip


def gradcam_routine(pair: Pair) -> Routine | str:
    """Routine 3: where in a window the features lie that speak for the common and the unique dimensions."""
    if pair.points:
        return NO_PLACES
    panels, names = [], []
    for view, maps in zip(pair.views, pair.activations, strict=True):
        for part, values in zip(pair.parts, maps, strict=True):
            names.append(f"{view.name} {part}")
            panels.append((f"{view.name}: {part} dimensions", values))
    window = pair.seen
    grid = pair.views[0].reader.grid[window.slices]
    bright = {name: _bright(values) for name, (_, values) in zip(names, panels, strict=True)}
    said = ", ".join(f"{name} {share:.0%}" for name, share in bright.items())
    return Routine(
        name="gradcam",
        title="Grad-CAM: where common and unique features lie",
        says=f"Share of the window where features speak for the mean of the dimensions: {said}.",
        numbers={
            "window": {"row": window.row, "col": window.col, "height": window.height, "width": window.width},
            "share": {name: rounded([share])[0] for name, share in bright.items()},
        },
        draw=partial(draw_maps, panels=panels, columns=len(pair.parts), unit="units of the embedding"),
        caption=f"Grad-CAM of each encoder’s features over {window.height} x {window.width} pixels from row "
        f"{window.row}, column {window.col}, for the mean of the common and of the unique dimensions (DeCUR, "
        "Algorithm 2, routine 3), at the resolution of the scene. Every panel has its own scale.",
        rasters={
            "gradcam.tif": partial(
                write_raster, grid=grid, values=np.stack([values for _, values in panels]), names=names
            )
        },
    )  # fmt: skip


def agreement_routine(pair: Pair) -> Routine | str:
    """Routine 4: whether both sensors look at the same places."""
    if pair.points:
        return NO_PLACES
    first, second = pair.activations
    blocks = {
        name: agreement(first[k], second[k], _BLOCK).astype(np.float64) for k, name in enumerate(pair.parts)
    }
    if not any(len(values) for values in blocks.values()):
        return f"no block of {_BLOCK} x {_BLOCK} pixels of the window has data of both sensors"
    entries = {name: _mean_and_error(values) for name, values in blocks.items()}
    said = ", of ".join(
        f"{name} dimensions {one['mean']:.2f} ± {one['se']:.2f}" for name, one in entries.items()
    )
    return Routine(
        name="agreement",
        title="Agreement: whether both sensors look at the same places",
        says=f"Mean agreement of the two sensors’ maps, of {said} (one standard error over blocks).",
        numbers={"block": _BLOCK, "blocks": len(next(iter(blocks.values()))), "parts": entries},
        draw=partial(draw_distributions, parts=blocks, title="agreement of both Grad-CAM in a block"),
        caption="Products of both sensors’ Grad-CAM, each divided by its norm, added up over blocks of "
        f"{_BLOCK} x "
        f"{_BLOCK} pixels of the window (DeCUR, Algorithm 2, routine 4): 1 where both look at the same "
        "places.",
    )  # fmt: skip


def integrated_gradients_routine(pair: Pair) -> Routine:
    """Routine 5: what each band adds to the common and to the unique dimensions."""
    found: dict[str, dict[str, BandAttributions]] = {}
    for view in pair.views:
        pair.tell(0, 0, f"integrated gradients of {view.name}")
        view.sensor.encoder.requires_grad_(False)
        view.sensor.projector.requires_grad_(False)

        def forward(x: Tensor, view: View = view) -> Tensor:
            return pair.means(view.sensor.projector(view.sensor.encoder(x).flatten(1)))

        found[view.name] = {
            name: integrated_gradients(forward, view.patches, torch.full((len(view.patches),), k), pair.steps)
            for k, name in enumerate(pair.parts)
        }
    sensors, entries = [], {}
    rows: list[tuple[str | float, ...]] = []
    for view in pair.views:
        made = found[view.name]
        sizes = {name: one.by_band.abs().mean(dim=0).double().numpy() for name, one in made.items()}
        sensors.append((view.name, BandAxis.of(view.bands), sizes))
        shares = {name: _shares(view.groups, size) for name, size in sizes.items()}
        rows += [
            (f"{view.name}: {group.name}", *(shares[name][k] for name in pair.parts))
            for k, group in enumerate(view.groups)
        ]
        entries[view.name] = {
            "bands": [{"name": band.name, "wavelength": band.wavelength} for band in view.bands],
            "parts": {
                name: {
                    "completeness_gap": float(f"{one.gap:.6g}"),
                    "mean": rounded(one.by_band.mean(dim=0).tolist()),
                    "mean_absolute": rounded(sizes[name].tolist()),
                    "groups": {
                        group.name: rounded([share])[0]
                        for group, share in zip(view.groups, shares[name], strict=True)
                    },
                }
                for name, one in made.items()
            },
        }
    leading = [
        max(zip(view.groups, _shares(view.groups, sizes["common"]), strict=True), key=lambda one: one[1])
        for view, (_, _, sizes) in zip(pair.views, sensors, strict=True)
        if "common" in sizes
    ]
    gap = max(one.gap for made in found.values() for one in made.values())
    said = " and ".join(
        f"{group.name} of {view.name} ({share:.0%})"
        for view, (group, share) in zip(pair.views, leading, strict=False)
    )
    return Routine(
        name="integrated_gradients",
        title="Integrated Gradients: which bands are shared with the other sensor",
        says=f"Most of what is common comes from {said}. The attributions of a pixel add up to the change "
        "that "
        f"they explain, but for {percent(gap)} of it at most.",
        numbers={
            "steps": pair.steps,
            "baseline": "training mean",
            "pixels": len(pair.position),
            "sensors": entries,
        },
        draw=partial(draw_sensors, sensors=sensors, unit="mean size of attribution"),
        caption="Integrated Gradients of the mean of the common and of the unique dimensions against the "
        "training "
        f"mean, summed over the patch ({pair.steps} steps): mean absolute value of each band over "
        f"{len(pair.position):,} pixels (DeCUR, Algorithm 2, routine 5).",
        tables=(
            Table(
                "Share of each sensor’s mean absolute attribution in each group of its bands.",
                ("Group of bands", *(f"To {name} dimensions" for name in pair.parts)),
                tuple(rows),
            ),
        ),
    )  # fmt: skip


def occlusion_routine(pair: Pair) -> Routine:
    """What is lost of the alignment, and of the embedding, without each group of bands."""
    common = pair.parts.get("common")
    groups = [(k, group) for k, view in enumerate(pair.views) for group in view.groups]
    whole = [view.embeddings for view in pair.views]
    before = _alignment(whole[0], whole[1], common)
    lost, changed = [], []
    for done, (k, group) in enumerate(groups, 1):
        view = pair.views[k]
        hidden = view.patches.clone()
        hidden[:, list(group.places)] = 0
        without = list(whole)
        without[k] = view.embedded(hidden)
        lost.append(before - _alignment(without[0], without[1], common))
        kept = (normalised(whole[k]) * normalised(without[k])).mean(dim=0)
        changed.append([1 - kept[part].mean().item() for part in pair.parts.values()])
        pair.tell(done, len(groups), "occlusion")
    names = [f"{pair.views[k].name}: {group.name}" for k, group in groups]
    worst = int(np.argmax(lost))
    change = np.array(changed)
    return Routine(
        name="occlusion",
        title="Occlusion: what is lost without a group of bands",
        says=f"Without {names[worst]}, the correlation of common dimensions with the other sensor falls "
        "most, by "
        f"{lost[worst]:.3f} from {before:.3f}.",
        numbers={
            "correlation": rounded([before])[0],
            "pixels": len(pair.position),
            "groups": [
                {
                    "sensor": pair.views[k].name,
                    "name": group.name,
                    "bands": [pair.views[k].bands[place].name for place in group.places],
                    "correlation_drop": rounded([lost[row]])[0],
                    "change": dict(zip(pair.parts, rounded(changed[row]), strict=True)),
                }
                for row, (k, group) in enumerate(groups)
            ],
        },
        draw=partial(
            draw_occlusion,
            groups=names,
            losses=Losses(
                {"correlation": 100 * np.array(lost)},
                "correlation of common dimensions lost, hundredths",
                [(name, 100 * change[:, k]) for k, name in enumerate(pair.parts)],
                "1 - correlation with the embedding of all bands, hundredths",
            ),
        ),
        caption="Each group of bands is replaced by the training mean, all over the patch. Left: what the "
        "correlation of common dimensions with the other sensor loses, over "
        f"{len(pair.position):,} pixels. Right: how much the sensor’s own dimensions change.",
    )  # fmt: skip


ROUTINES: Mapping[str, Callable[[Pair], Routine | str]] = {
    "alignment": alignment_routine,
    "tsne": tsne_routine,
    "gradcam": gradcam_routine,
    "agreement": agreement_routine,
    "integrated_gradients": integrated_gradients_routine,
    "occlusion": occlusion_routine,
}
"""By name; each gives what it found, or why it has nothing to say."""


def facts_of(pair: Pair, scene: str, simulated: bool, run: Path | str) -> dict[str, str]:
    """What was explained, for people."""
    card = pair.pretrained.card
    sides = [f"{view.sensor.side} x {view.sensor.side} of {view.name}" for view in pair.views]
    return {
        "Pretraining": f"{run} ({card.method}), on {card.scene} "
        "({'simulated' if card.simulated else 'real'})",
        "Embedding": f"{card.dimensions:,} dimensions, {card.common:,} of them common",
        "Scene": f"{scene} ({'simulated' if simulated else 'real'})",
        "Sensors": " and ".join(
            f"{view.name} ({view.sensor.entry.kind}, {counted(len(view.bands), 'band')})"
            for view in pair.views
        ),
        "Pixels": f"{len(pair.position):,}, each with the pixels around it: {' and '.join(sides)}",
    }


def _alignment(first: Tensor, second: Tensor, part: slice | None) -> float:
    """Mean correlation of the common dimensions, or of all."""
    correlation = alignment(first, second, first.shape[1]).correlation
    return correlation[part or slice(None)].mean().item()


def _shares(groups: Sequence[BandGroup], sizes: Any) -> list[float]:
    total = float(sizes.sum()) or 1.0
    return [float(sizes[list(group.places)].sum()) / total for group in groups]


def _bright(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float((known > 0).mean()) if len(known) else 0.0


def _mean_and_error(values: Any) -> dict[str, float]:
    error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return {"mean": float(f"{values.mean():.6g}"), "se": float(f"{error:.6g}")}


def _number(value: float | None) -> float:
    return cast(float, value)
