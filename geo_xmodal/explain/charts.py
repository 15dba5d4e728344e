"""The figures of an explanation."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from geo_xmodal.accuracy.report.figures import FIRST, INK, QUIET, SECOND, figure
from geo_xmodal.accuracy.report.numbers import ellipsis
from geo_xmodal.raster import Band
from geo_xmodal.types import FloatArray, LandClass

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

_MAX_NAMED = 24
"""Bands whose names fit under an axis."""

_MAX_WRITTEN = 12
"""Bands whose values fit into the cells."""

_GAP = 6
"""Times the usual distance of bands at which a line breaks off."""

_MAX_PANELS = 12
_PANEL_COLUMNS = 4
_LETTERS = 26

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class BandAxis:
    """Where bands lie on an axis: by name, or by wavelength where they are many and say it.

    Attributes:
        places: (band,) positions on the axis.
        names: Of the bands, with their wavelengths; empty on an axis of wavelengths.
        title: Of the axis.
    """

    places: npt.NDArray[np.float64]
    names: tuple[str, ...]
    title: str

    @classmethod
    def of(cls, bands: Sequence[Band]) -> BandAxis:
        """The axis of a sensor's bands."""
        known = [band.wavelength for band in bands if band.wavelength is not None]
        count = np.arange(len(bands), dtype=np.float64)
        if len(bands) <= _MAX_NAMED:
            return cls(count, tuple(_band_name(band) for band in bands), "")
        if len(known) == len(bands):
            return cls(np.asarray(known, np.float64), (), "wavelength, nm")
        return cls(count + 1, (), "band")

    @property
    def named(self) -> bool:
        """Whether each band stands on the axis by name."""
        return bool(self.names)

    def set_on(self, axes: Axes) -> None:
        """Ticks and title, at the bottom."""
        if self.named:
            longest = max(len(line) for name in self.names for line in name.split("\n"))
            turned = longest * len(self.names) > 90
            axes.set_xticks(
                self.places, self.names, rotation=40 if turned else 0, ha="right" if turned else "center"
            )
            axes.set_xlim(-0.6, len(self.names) - 0.4)
        else:
            pad = 0.02 * (self.places.max() - self.places.min())
            axes.set_xlim(self.places.min() - pad, self.places.max() + pad)
            axes.set_xlabel(self.title)

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """(band + 1,) between the bands, in the order of `order`."""
        places = self.places[self.order]
        if len(places) == 1:
            return np.array([places[0] - 0.5, places[0] + 0.5])
        middle = (places[1:] + places[:-1]) / 2
        first, last = places[0] - (middle[0] - places[0]), places[-1] + (places[-1] - middle[-1])
        return np.concatenate([[first], middle, [last]])

    @property
    def order(self) -> npt.NDArray[np.intp]:
        """(band,) bands from left to right."""
        return np.argsort(self.places, kind="stable")


def _label(text: str, length: int = 80) -> str:
    """A name out of a file as a label: not too long, and no formula, which matplotlib would set."""
    return ellipsis(text, length).replace("$", r"\$")


def _band_name(band: Band) -> str:
    name = _label(re.split(r" - | \(|: ", band.name)[0], _LETTERS)  # what follows is a description
    return name if band.wavelength is None else f"{name}\n{band.wavelength:.0f} nm"


def draw_bands(
    out: Path,
    axis: BandAxis,
    overall: Floats,
    rows: Sequence[tuple[str, Floats]],
    unit: str,
    more: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """How much each band adds on average, above what it adds for each of several classes or parts.

    Args:
        out: The PNG.
        axis: Of the bands.
        overall: (band,) mean absolute attributions.
        rows: Of the lower panel: name, and (band,) mean signed attributions.
        unit: Of them.
        more: Further panels of bars: title, then name and value of each bar.
    """
    below = 0.27 * len(rows) + 0.5
    panels = dict(more or {})
    tall = max((0.32 * len(bars) + 0.8 for bars in panels.values()), default=0.0)
    with figure(out, 10, 2.6 + below + tall + 0.6) as made:
        first, *last = made.subfigures(
            1 + bool(panels), 1, height_ratios=[3.2 + below, *([tall] if panels else [])], squeeze=False
        ).ravel()
        top, bottom = first.subplots(2, 1, sharex=True, height_ratios=[2.6, below])
        _columns(top, axis, overall)
        top.set_ylabel(f"mean size, {unit}")
        _matrix(first, (top, bottom), axis, rows, unit)
        for part in last:
            found = part.subplots(1, len(panels), squeeze=False)[0]
            for axes, (title, bars) in zip(found, panels.items(), strict=True):
                _bars(axes, bars)
                axes.set_title(_label(title), loc="left", fontsize=10, color=INK)


def _columns(axes: Axes, axis: BandAxis, values: Floats) -> None:
    order = axis.order
    if axis.named:
        axes.bar(axis.places, values, width=0.62, color=FIRST)
    else:
        axes.fill_between(axis.places[order], values[order], color=FIRST, alpha=0.18, linewidth=0)
        _line(axes, axis, values, FIRST)
    axes.set_ylim(bottom=0)
    axes.tick_params(bottom=False, labelbottom=False)
    _quiet(axes)


def _line(axes: Axes, axis: BandAxis, values: Floats, color: str, label: str = "") -> None:
    """Values along an axis of many bands, with gaps where bands were left out."""
    places, heights = axis.places[axis.order], values[axis.order]
    steps = np.diff(places)
    gaps = np.flatnonzero(steps > _GAP * np.median(steps)) + 1
    places, heights = np.insert(places, gaps, np.nan), np.insert(heights.astype(np.float64), gaps, np.nan)
    axes.plot(places, heights, color=color, linewidth=1.6, marker="o", markersize=2, label=label)


def _matrix(
    part: SubFigure, both: tuple[Axes, Axes], axis: BandAxis, rows: Sequence[tuple[str, Floats]], unit: str
) -> None:
    """Signed values in the lower panel; the scale stands beside both, so that their bands are aligned."""
    from matplotlib.colors import AsinhNorm, LinearSegmentedColormap

    values = np.stack([row for _, row in rows])[:, axis.order]
    most = float(np.abs(values).max()) or 1.0
    shades = LinearSegmentedColormap.from_list("against and for", (SECOND, "#f4f5f6", FIRST))
    axes = both[1]
    edges = axis.edges
    # linear for small values only: one strong band hides no other
    scale: Any = AsinhNorm(most / 8, vmin=-most, vmax=most)
    shown = axes.pcolormesh(
        edges, np.arange(len(rows) + 1), values, cmap=shades, norm=scale, edgecolors="white",
        linewidth=0.6 if axis.named else 0,
    )  # fmt: skip
    axes.set_yticks(np.arange(len(rows)) + 0.5, [_label(name, _LETTERS) for name, _ in rows])
    axes.invert_yaxis()
    axis.set_on(axes)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, colors=INK, labelsize=9)
    bar = part.colorbar(shown, ax=both, pad=0.01, fraction=0.03, aspect=30)
    bar.set_label(f"mean, {unit}", fontsize=9)
    ticks = [float(f"{share * most:.1g}") for share in (-1, -0.2, 0, 0.2, 1)]
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    if len(axis.names) in range(1, _MAX_WRITTEN + 1):
        for row, line in enumerate(values.tolist()):
            for col, value in enumerate(line):
                light = abs(scale(value) - 0.5) > 0.32
                axes.text(
                    col, row + 0.5, f"{value:.2g}", ha="center", va="center", fontsize=8,
                    color="white" if light else INK,
                )  # fmt: skip


def _bars(axes: Axes, bars: Mapping[str, float]) -> None:
    place = np.arange(len(bars))[::-1]
    axes.barh(place, list(bars.values()), height=0.62, color=FIRST)
    axes.set_yticks(place, [_label(name, 40) for name in bars])
    axes.set_ylim(-0.6, len(bars) - 0.4)
    axes.axvline(0, color=INK, linewidth=0.8)
    _quiet(axes, "x")


@dataclass(frozen=True)
class Losses:
    """What is lost without each of several groups.

    Attributes:
        bars: Up to two: what is lost of what, by name, (group,) each.
        title: Of their axis.
        rows: Of the panel beside: name, and (group,) each.
        rows_title: Of that panel.
    """

    bars: Mapping[str, Floats]
    title: str
    rows: Sequence[tuple[str, Floats]]
    rows_title: str


def draw_occlusion(out: Path, groups: Sequence[str], losses: Losses) -> None:
    """What is lost without each group of bands.

    Args:
        out: The PNG.
        groups: Names of the groups.
        losses: Without each, in hundredths.
    """
    tall = max(2.8, 0.5 * len(groups) + 1.7)
    with figure(out, 11, tall + 0.3) as made:
        left, right = made.subplots(1, 2, width_ratios=[1.0, 1.15])
        place = np.arange(len(groups))[::-1]
        height = 0.68 / len(losses.bars)
        for k, (label, values) in enumerate(losses.bars.items()):
            shift = 0.34 - height * (k + 0.5)
            left.barh(place + shift, values, height=0.9 * height, color=(FIRST, QUIET)[k], label=label)
        left.set_yticks(place, [_label(name, 40) for name in groups])
        left.set_ylim(-0.6, len(groups) - 0.4)
        left.axvline(0, color=INK, linewidth=0.8)
        left.set_xlabel(losses.title)
        _quiet(left, "x")
        if len(losses.bars) > 1:
            left.legend(frameon=False, fontsize=8.5, loc="best")
        _group_matrix(right, len(groups), losses.rows)
        right.set_title(losses.rows_title, loc="left", fontsize=10, color=INK)


def _group_matrix(axes: Axes, groups: int, rows: Sequence[tuple[str, Floats]]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    values = np.stack([row for _, row in rows]).T
    most = float(np.abs(values).max()) or 1.0
    turned = len(rows) > 3
    shades = LinearSegmentedColormap.from_list("gained and lost", (SECOND, "#f4f5f6", FIRST))
    axes.imshow(values, cmap=shades, vmin=-most, vmax=most, aspect="auto")
    axes.set_xticks(
        np.arange(len(rows)),
        [_label(name, 18) for name, _ in rows],
        rotation=40 if turned else 0,
        ha="right" if turned else "center",
        fontsize=9,
    )
    axes.set_yticks(np.arange(groups), [""] * groups)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row, line in enumerate(values.tolist()):
        for col, value in enumerate(line):
            shown = f"{value:.0f}".replace("-0", "0")
            light = abs(value) > 0.55 * most
            axes.text(
                col, row, shown, ha="center", va="center", fontsize=8.5, color="white" if light else INK
            )


def draw_activation(
    out: Path,
    classes: Sequence[LandClass],
    predicted: npt.NDArray[np.uint8],
    maps: FloatArray,
    which: Sequence[int],
) -> None:
    """The classes of a window beside where the features lie that speak for each.

    Args:
        out: The PNG.
        classes: The legend.
        predicted: (row, col) class ids, 0 where there is no data.
        maps: (class, row, col) Grad-CAM, NaN where there is no data.
        which: Classes to show, by place.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.patches import Patch

    shown = list(which)[: _MAX_PANELS - 1]
    count = len(shown) + 1
    rows = math.ceil(count / _PANEL_COLUMNS)
    columns = math.ceil(count / rows)
    shape = predicted.shape[0] / predicted.shape[1]
    with figure(out, 2.9 * columns + 1.2, (2.9 * shape + 0.4) * rows + 0.9) as made:
        grid = made.subplots(rows, columns, squeeze=False).ravel()
        colors = np.full((256, 3), 255, np.uint8)
        for land in classes:
            colors[land.id] = land.rgb
        grid[0].imshow(colors[predicted], interpolation="nearest")
        grid[0].set_title("classes as mapped", loc="left", fontsize=10, color=INK)
        found = maps[shown]
        most = float(np.nanpercentile(found, 99.5)) if np.isfinite(found).any() else 1.0
        last = None
        for axes, place in zip(grid[1:], shown, strict=False):
            # the root keeps classes whose features are weak apart from none
            scale = PowerNorm(0.5, vmin=0, vmax=most or 1.0, clip=True)
            last = axes.imshow(maps[place], cmap="magma", norm=scale, interpolation="nearest")
            axes.set_title(_label(classes[place].name, _LETTERS), loc="left", fontsize=10, color=INK)
        for axes in grid:
            axes.set_axis_off()
        if last is not None:
            bar = made.colorbar(last, ax=list(grid), pad=0.01, fraction=0.02, aspect=30, shrink=0.6)
            bar.set_label("Grad-CAM, units of the logit", fontsize=9)
            bar.ax.tick_params(labelsize=8)
        present = [land for land in classes if (predicted == land.id).any()]
        made.legend(
            handles=[
                Patch(facecolor=one.color, edgecolor=INK, linewidth=0.4, label=_label(one.name, _LETTERS))
                for one in present
            ],
            loc="outside lower center",
            ncols=min(len(present) or 1, 7),
            frameon=False,
            fontsize=8.5,
        )


def _quiet(axes: Axes, grid: Literal["x", "y"] = "y") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(axis=grid, color="#e3e6e8")
    axes.set_axisbelow(True)


def draw_alignment(out: Path, parts: Mapping[str, tuple[Floats, float]]) -> None:
    """Histograms of the alignment losses of dimensions, from 0 to 1.

    Args:
        out: The PNG.
        parts: Shares of each part's dimensions in bins, and beyond 1.
    """
    with figure(out, 7.5, 3.8) as made:
        axes = made.subplots()
        for (name, (shares, above)), color in zip(parts.items(), (FIRST, SECOND), strict=False):
            edges = np.linspace(0, 1, len(shares) + 1)
            label = f"{name} ({above:.0%} above 1)" if above else name
            axes.stairs(100 * shares, edges, color=color, fill=True, alpha=0.25)
            axes.stairs(100 * shares, edges, color=color, linewidth=1.6, label=label)
        axes.set_xlim(0, 1)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("alignment loss of a dimension, (1 - correlation)²: 0 aligned, 1 unrelated")
        axes.set_ylabel("dimensions, %")
        _quiet(axes)
        axes.legend(frameon=False, fontsize=9)


def draw_plane(out: Path, places: FloatArray, kinds: Sequence[tuple[str, Sequence[int]]]) -> None:
    """Points in the plane.

    Args:
        out: The PNG.
        places: (n, 2).
        kinds: Name of each kind, and which points are of it; up to four, the first two in one colour.
    """
    with figure(out, 7.5, 6.2) as made:
        axes = made.subplots()
        styles = ((FIRST, "o", FIRST), (FIRST, "^", "white"), (SECOND, "o", SECOND), (SECOND, "^", "white"))
        for (name, which), (edge, mark, fill) in zip(kinds, styles, strict=False):
            points = places[list(which)]
            axes.scatter(
                points[:, 0], points[:, 1], s=16, marker=mark, facecolors=fill, edgecolors=edge,
                linewidths=0.7, label=_label(name),
            )  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_color(QUIET)
        made.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)


def draw_maps(out: Path, panels: Sequence[tuple[str, FloatArray]], columns: int, unit: str) -> None:
    """Maps of one window side by side, row by row, each on a scale of its own: NaN is left blank."""
    rows = math.ceil(len(panels) / columns)
    shape = panels[0][1].shape[0] / panels[0][1].shape[1]
    with figure(out, 4.2 * columns, (3.7 * shape + 0.5) * rows + 0.2) as made:
        grid = made.subplots(rows, columns, squeeze=False).ravel()
        for axes, (title, values) in zip(grid, panels, strict=False):
            known = values[np.isfinite(values)]
            most = float(np.percentile(known, 99.5)) if len(known) else 1.0
            shown = axes.imshow(values, cmap="magma", vmin=0, vmax=most or 1.0, interpolation="nearest")
            axes.set_title(_label(title), loc="left", fontsize=10, color=INK)
            bar = made.colorbar(shown, ax=axes, pad=0.01, fraction=0.03, aspect=30)
            bar.ax.tick_params(labelsize=8)
            bar.set_label(unit, fontsize=8.5)
        for axes in grid:
            axes.set_axis_off()


def draw_distributions(out: Path, parts: Mapping[str, Floats], title: str) -> None:
    """Histograms of values from 0 to 1, their means written above."""
    with figure(out, 7.5, 3.6) as made:
        axes = made.subplots()
        for (name, values), color in zip(parts.items(), (FIRST, SECOND), strict=False):
            label = f"{name}: mean {values.mean():.2f}" if len(values) else name
            axes.hist(values, bins=20, range=(0, 1), color=color, alpha=0.25)
            axes.hist(values, bins=20, range=(0, 1), color=color, histtype="step", linewidth=1.6, label=label)
            if len(values):
                axes.axvline(float(values.mean()), color=color, linewidth=1, linestyle=":")
        axes.set_xlim(0, 1)
        axes.set_xlabel(title)
        axes.set_ylabel("blocks")
        axes.locator_params(axis="y", integer=True)
        _quiet(axes)
        axes.legend(frameon=False, fontsize=9)


def draw_sensors(out: Path, sensors: Sequence[tuple[str, BandAxis, Mapping[str, Floats]]], unit: str) -> None:
    """How much each band of each sensor adds to each part, on average.

    Args:
        out: The PNG.
        sensors: Name, bands, and (band,) mean absolute attributions of up to two parts by name.
        unit: Of them.
    """
    with figure(out, 10, 3.1 * len(sensors)) as made:
        for axes, (name, axis, parts) in zip(
            made.subplots(len(sensors), 1, squeeze=False)[:, 0], sensors, strict=True
        ):
            width = 0.68 / len(parts)
            for k, (part, values) in enumerate(parts.items()):
                color = (FIRST, SECOND)[k]
                if axis.named:
                    shift = width * (k + 0.5) - 0.34
                    axes.bar(axis.places + shift, values, width=0.92 * width, color=color, label=_label(part))
                else:
                    _line(axes, axis, values, color, part)
            axes.set_ylim(bottom=0)
            axes.set_ylabel(unit)
            axis.set_on(axes)
            _quiet(axes)
            axes.set_title(_label(name), loc="left", fontsize=10, color=INK)
            axes.legend(frameon=False, fontsize=9)
