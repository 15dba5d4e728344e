"""Figures of the benchmark of objectives on two views, and of their timing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from geo_xmodal.accuracy.report.figures import FIRST, INK, QUIET, SECOND, empty_figure
from geo_xmodal.correlation.retrieval import RANKS
from geo_xmodal.correlation.timing import BASELINE
from geo_xmodal.correlation.two_view import CONTROLS
from geo_xmodal.dependence.timing import TimingStudy
from geo_xmodal.dependence.two_views import Spread, TwoViewStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = ("s", "^", "o")
"""Of the ranks."""


def draw_two_views(study: TwoViewStudy) -> Figure:
    """Held-out correlation, transfer and recall, a line per objective; controls in grey below."""
    names = [*(name for name in study.names if name not in CONTROLS), *CONTROLS]
    has_labels = study.chance("majority") is not None
    figure = empty_figure(12 if has_labels else 9, 1.9 + 0.32 * len(names))
    panels = list(np.ravel(figure.subplots(1, 3 if has_labels else 2, sharey=True)))
    data = study.data
    figure.suptitle(
        f"{study.first} and {study.second}: {data['test_rows']:,} test rows, {len(data['seeds'])} seed(s), "
        f"mean and standard deviation",
        x=0.01,
        ha="left",
        color=INK,
    )
    place = np.arange(len(names))[::-1]
    _dots(panels[0], place, [study.spread(name, "total_correlation") for name in names], FIRST, 0.0)
    panels[0].set_xlabel(f"held-out correlation, summed over {data['components']}")
    if has_labels:
        for measure, colour, shift, text in (
            ("transfer_to_y", FIRST, 0.14, f"{study.first} to {study.second}"),
            ("transfer_to_x", SECOND, -0.14, f"{study.second} to {study.first}"),
        ):
            _dots(
                panels[1], place, [study.spread(name, measure) for name in names], colour, shift, label=text
            )
        panels[1].axvline(study.chance("majority") or 0, color=QUIET, linestyle=":", label="largest class")
        panels[1].set_xlabel("accuracy, from view to view")
    for towards, colour, shift, text in (("y", FIRST, 0.14, study.second), ("x", SECOND, -0.14, study.first)):
        for rank, marker in zip(RANKS, _MARKERS, strict=True):
            found = [study.recall(name, towards, rank) for name in names]
            _dots(panels[-1], place, found, colour, shift, f"{text} found, k = {rank}", marker)
    panels[-1].axvline(study.chance("chance_to_y", RANKS[-1]) or 0, color=QUIET, linestyle=":")
    panels[-1].set_xlabel("recall at k")
    panels[0].set_yticks(place, names)
    for tick, name in zip(panels[0].get_yticklabels(), names, strict=True):
        tick.set_color(QUIET if name in CONTROLS else INK)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="#e3e6e8")
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", labelsize=9)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    for axes in panels[1:]:
        axes.set_xlim(left=0)
    return figure


def _dots(
    axes: Axes,
    place: np.ndarray[tuple[int], np.dtype[np.int64]],
    spreads: Sequence[Spread],
    colour: str,
    shift: float,
    label: str = "",
    marker: str = "o",
) -> None:
    there = [k for k, one in enumerate(spreads) if one["mean"] is not None]
    means = [spreads[k]["mean"] or 0.0 for k in there]
    sds = [spreads[k]["sd"] or 0.0 for k in there]
    axes.errorbar(
        means, place[there] + shift, xerr=sds, fmt=marker, markersize=4, color=colour, label=label or None
    )


def draw_timing(study: TimingStudy) -> Figure:
    """Ratios of time above, of memory below; a panel for each number of columns, a line per objective."""
    from matplotlib.ticker import LogLocator  # slow to import

    features = sorted({size.features for size in study.sizes})
    figure = empty_figure(3.2 * len(features) + 3, 7)
    panels = figure.subplots(2, len(features), sharex=True, sharey="row", squeeze=False)
    colours = _colours(len(study.names))
    for column, k in enumerate(features):
        sizes = [size for size in study.sizes if size.features == k]
        for number, name in enumerate(study.names):
            there = [size for size in sizes if name in size.costs]
            if not there:
                continue
            rows = [size.samples for size in there]
            style = {
                "color": INK if name == BASELINE else colours[number],
                "linestyle": ("-", "--")[number % 2],
                "marker": ".",
                "label": name,
            }
            panels[0, column].loglog(rows, [size.time_ratio(name) for size in there], **style)
            panels[1, column].loglog(rows, [size.memory_ratio(name) for size in there], **style)
        panels[0, column].set_title(f"K = {k}", loc="left", fontsize=10)
        panels[1, column].set_xlabel("rows m")
        rows = [size.samples for size in sizes]
        panels[1, column].set_xticks(rows, [str(m) for m in rows], rotation=45)
        panels[1, column].minorticks_off()
    panels[0, 0].set_ylabel("time by that of cosine similarity")
    panels[1, 0].set_ylabel("peak memory by that of cosine similarity")
    for axes in panels.ravel():
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e3e6e8")
    handles, labels = max(
        (axes.get_legend_handles_labels() for axes in panels[0]), key=lambda found: len(found[1])
    )
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    figure.suptitle(
        f"Value and gradient, {study.data['device']}, {study.data['threads']} thread(s), one run",
        x=0.01,
        ha="left",
        color=INK,
    )
    return figure


def _colours(count: int) -> list[tuple[float, float, float, float]]:
    """As many colours."""
    import matplotlib as mpl  # slow to import

    return [mpl.colormaps["tab20"](k % 20) for k in range(count)]
