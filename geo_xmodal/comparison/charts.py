"""Accuracies, features and noise as pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geo_xmodal.accuracy.report.figures import FIRST, INK, QUIET, SECOND, figure
from geo_xmodal.comparison.features import Features
from geo_xmodal.comparison.request import GAIN_OVER
from geo_xmodal.comparison.tables import NAMES, control_names, marked, means_title, over_what, title
from geo_xmodal.types import LandClass

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CONTROLS = ((SECOND, "s"), ("#d99a3c", "D"))
"""Colour and mark of each control; every common colour vision tells them from the methods."""

_LINES = (FIRST, SECOND, "#4f8f4a", "#7a5195", QUIET, "#c2185b", "#1a9e96", "#a67c00")
_MARKS = "osD^vPX*"
_PANEL_COLUMNS = 4


def panels(made: Figure, count: int) -> list[Axes]:
    """A grid of panels; those that are too many are not drawn."""
    grid = made.subplots(*_rows_and_columns(count), squeeze=False).ravel()
    for spare in grid[count:]:
        spare.set_axis_off()
    return list(grid[:count])


def panel_size(count: int, side: float = 3.0, shape: float = 1.0) -> tuple[float, float]:
    """Width and height of a figure of panels, `shape` times as tall as wide, with room for a legend below."""
    rows, columns = _rows_and_columns(count)
    return side * max(columns, 2), (side * shape + 0.35) * rows + 0.9


def _rows_and_columns(count: int) -> tuple[int, int]:
    rows = math.ceil(count / _PANEL_COLUMNS)
    return rows, math.ceil(count / rows)


def legend_of_classes(made: Figure, classes: Sequence[LandClass]) -> None:
    """The classes below the panels."""
    from matplotlib.patches import Patch

    made.legend(
        handles=[Patch(facecolor=one.color, edgecolor=INK, linewidth=0.4, label=one.name) for one in classes],
        loc="outside lower center",
        ncols=min(len(classes), 2 * _PANEL_COLUMNS),
        frameon=False,
        fontsize=8,
    )


def draw_accuracy(comparison: Mapping[str, Any], out: Path) -> None:
    """Overall and average accuracy of every method, mean and standard deviation, beside its controls."""
    methods = comparison["methods"]
    place = np.arange(len(methods))[::-1]
    names = [marked(name, one["transductive"]) for name, one in methods.items()]
    with figure(out, 10, 1.9 + 0.42 * len(methods)) as made:
        heading = f"{title(comparison)}; {means_title(comparison['means'])}"
        made.suptitle(heading, x=0.01, ha="left", color=INK, fontsize=11)
        both = list(made.subplots(1, 2, sharey=True))
        for axes, measure in zip(both, ("oa", "aa"), strict=True):
            _points(axes, methods.values(), place, measure, FIRST, "o", "method", 0.0)
            for k, name in enumerate(control_names(comparison)):
                controls = [one["controls"].get(name) for one in methods.values()]
                runs = [comparison["controls"][cell] for cell in controls if cell is not None]
                color, mark = _CONTROLS[k % len(_CONTROLS)]
                where = place[[cell is not None for cell in controls]] - 0.18 * (k + 1)
                _points(axes, runs, where, measure, color, mark, f"its control, {name}", 0.5)
            axes.set_xlabel(f"{NAMES[measure]}, % (mean ± standard deviation over {over_what(comparison)})")
            axes.set_yticks(place, names)
            axes.set_ylim(-0.75, len(methods) - 0.55)
            axes.grid(axis="x", color="#e3e6e8")
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(colors=INK, labelsize=9)
        handles, labels = both[0].get_legend_handles_labels()
        made.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)


def draw_gains(parts: Mapping[str, Mapping[str, Any]], out: Path) -> None:
    """The gain of every method over its own `target_only`, mean and standard error, table by table.

    Args:
        parts: the comparison as each of its tables has it, by their means.
        out: the PNG.
    """
    first = next(iter(parts.values()))
    names = [name for name, one in first["methods"].items() if GAIN_OVER in one["gain"]]
    place = np.arange(len(names))[::-1]
    with figure(out, 10, 1.9 + 0.42 * len(names)) as made:
        made.suptitle(title(first), x=0.01, ha="left", color=INK, fontsize=11)
        both = list(made.subplots(1, 2, sharey=True))
        for axes, measure in zip(both, ("oa", "aa"), strict=True):
            axes.axvline(0, color=QUIET, linewidth=1)
            for k, (means, part) in enumerate(parts.items()):
                gains = [part["methods"][name]["gain"].get(GAIN_OVER) for name in names]
                told = [
                    (100 * gain[measure]["mean"], 100 * (gain[measure]["se"] or 0.0), where - 0.18 * k)
                    for gain, where in zip(gains, place, strict=True)
                    if gain is not None and gain[measure]["mean"] is not None
                ]
                values, errors, where = zip(*told, strict=True) if told else ((), (), ())
                axes.errorbar(
                    values, where, xerr=errors, fmt=_MARKS[k], color=_LINES[k], label=means_title(means),
                    markersize=6, linewidth=1.4,
                )  # fmt: skip
            axes.set_xlabel(f"gain in {NAMES[measure]} over {GAIN_OVER}, points (mean ± standard error)")
            axes.set_yticks(place, names)
            axes.set_ylim(-0.75, len(names) - 0.55)
            axes.grid(axis="x", color="#e3e6e8")
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(colors=INK, labelsize=9)
        handles, labels = both[0].get_legend_handles_labels()
        made.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9)


def _points(
    axes: Axes, runs: Any, place: Any, measure: str, color: str, mark: str, label: str, quiet: float
) -> None:
    defined = [
        (100 * one["mean"][measure], 100 * (one["sd"][measure] or 0.0), where)
        for one, where in zip(runs, place, strict=True)
        if one["mean"][measure] is not None
    ]
    values, spread, where = zip(*defined, strict=True) if defined else ((), (), ())
    axes.errorbar(
        values, where, xerr=spread, fmt=mark, color=color, label=label, markersize=6 - 4 * quiet,
        linewidth=1.6 - 1.2 * quiet,
    )  # fmt: skip


def draw_features(
    features: Mapping[str, Features], classes: Sequence[LandClass], heading: str, out: Path
) -> None:
    """t-SNE of each method's features of the same test pixels, coloured by their reference class."""
    color = {one.id: one.color for one in classes}
    with figure(out, *panel_size(len(features))) as made:
        made.suptitle(heading, x=0.01, ha="left", color=INK, fontsize=11)
        for axes, (name, one) in zip(panels(made, len(features)), features.items(), strict=True):
            x, y = one.places.T
            axes.scatter(x, y, s=3, c=[color[label] for label in one.labels], linewidths=0)
            axes.set_title(name if one.embedding else f"{name} (class scores)", loc="left", fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color(QUIET)
        legend_of_classes(
            made, [one for one in classes if any(one.id in f.labels for f in features.values())]
        )


def draw_noise(study: Mapping[str, Any], heading: str, out: Path) -> None:
    """Overall and average accuracy against the signal-to-noise ratio of the input, a line a row."""
    levels = study["levels"]
    place = np.arange(len(levels))
    with figure(out, 10, 4.6) as made:
        made.suptitle(heading, x=0.01, ha="left", color=INK, fontsize=11)
        both = list(made.subplots(1, 2))
        for axes, measure in zip(both, ("oa", "aa"), strict=True):
            for k, (name, row) in enumerate(study["rows"].items()):
                runs = [row["levels"][level] for level in levels]
                if any(one["mean"][measure] is None for one in runs):
                    continue
                axes.errorbar(
                    place + 0.06 * (k - len(study["rows"]) / 2) / max(1, len(study["rows"]) / 4),
                    [100 * one["mean"][measure] for one in runs],
                    [100 * (one["sd"][measure] or 0.0) for one in runs],
                    marker=_MARKS[k % len(_MARKS)], color=_LINES[k % len(_LINES)], markersize=5,
                    linestyle="-" if k < len(_LINES) else "--", linewidth=1.4,
                    label=marked(name, row["transductive"]),
                )  # fmt: skip
            axes.set_xticks(place, [f"{level} dB" if level != "none" else "no noise" for level in levels])
            axes.set_xlabel("signal-to-noise ratio of the input at test time")
            axes.set_ylabel(f"{NAMES[measure]}, %")
            axes.grid(axis="y", color="#e3e6e8")
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(colors=INK, labelsize=9)
        handles, labels = both[0].get_legend_handles_labels()
        made.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
