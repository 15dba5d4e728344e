"""The picture of a study: views, spectrum, null, classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geo_xmodal.accuracy.report.figures import FIRST, INK, QUIET, SECOND, empty_figure
from geo_xmodal.correlation import CorrelationEstimate
from geo_xmodal.dependence.classes import ClassCorrelation
from geo_xmodal.dependence.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LIMIT = "95 % of the null below"
_NAMES = {"cca": "linear (CCA)", "ace": "sums of curves (ACE)", "neural": "networks"}


def draw(study: Study) -> Figure:
    """A figure with a panel for the views, the spectrum, the null, and the classes if there are any."""
    measured = [one for one in study.classes or () if one.estimates]
    height = 3.6 + (0.9 + 0.36 * len(measured) if measured else 0)
    figure = empty_figure(11, height + 0.9)
    heights = [3.7, *([height - 3.6] if measured else [])]
    top, *below = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).ravel()
    top.suptitle(_title(study), x=0.01, ha="left", color=INK)
    panels = list(top.subplots(1, 3))
    _draw_views(panels[0], study)
    _draw_spectrum(panels[1], study)
    _draw_null(panels[2], study)
    if measured:
        panels.append(below[0].subplots())
        _draw_classes(panels[3], measured, (study.first, study.second))
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=INK, labelsize=9)
    return figure


def _title(study: Study) -> str:
    headline, data = study.headline, study.data
    scene = f"{data['scene']}{' (simulated)' if data['simulated'] else ''}: " if "scene" in data else ""
    low, high = headline.interval
    return (
        f"{scene}{study.first} and {study.second}: held-out correlation {headline.estimate:.2f} "
        f"[{low:.2f}, {high:.2f}], {data['samples']:,} samples"
    )


def _error(estimates: Sequence[CorrelationEstimate]) -> npt.NDArray[np.float64]:
    """Distances (2, n) to the ends of the intervals; at a correlation of 1 rounding may turn them round."""
    ends = np.array([[e.estimate - e.interval[0], e.interval[1] - e.estimate] for e in estimates])
    return np.asarray(np.maximum(ends.T, 0))


def _draw_views(axes: Axes, study: Study) -> None:
    place = np.arange(len(study.views))
    for shift, color, method in ((-0.12, QUIET, "cca"), (0.12, FIRST, study.method)):
        found = [view.estimates[method] for view in study.views]
        axes.errorbar(
            place + shift,
            [e.estimate for e in found],
            _error(found),
            fmt="o",
            markersize=5,
            color=color,
            label=_NAMES[method],
        )
        limit = [e.spectrum_null[0] for e in found]
        axes.hlines(limit, place + shift - 0.1, place + shift + 0.1, color=color, linestyle=":")
    axes.plot([], [], color=QUIET, linestyle=":", label=_LIMIT)
    axes.set_xticks(place, [view.name.replace(" of these", "") for view in study.views])
    axes.set_xlim(-0.5, len(place) - 0.5)
    # Above 1 there is room for the legend and nothing else.
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), 1.35)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_ylabel("held-out correlation")
    if len(place) > 1:
        axes.set_xlabel(f"{study.second} around the pixel")
    axes.set_title("by scale" if len(place) > 1 else "by method", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _draw_spectrum(axes: Axes, study: Study) -> None:
    spectrum, null = study.headline.spectrum, study.headline.spectrum_null
    place = np.arange(1, len(spectrum) + 1)
    axes.bar(place, spectrum, width=0.6, color=FIRST)
    axes.hlines(null, place - 0.4, place + 0.4, color=INK, linestyle=":")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_ylim(min(0.0, *spectrum), 1)
    axes.set_xticks(place)
    axes.set_xlabel("pair of functions")
    axes.set_title(f"spectrum, {_NAMES[study.method]}", loc="left", fontsize=10)


def _draw_null(axes: Axes, study: Study) -> None:
    headline = study.headline
    axes.hist(headline.null, bins=20, color=QUIET)
    axes.axvline(headline.estimate, color=FIRST, linewidth=2)
    axes.set_xlim(min(*headline.null, headline.estimate, 0) - 0.05, 1)
    axes.text(
        headline.estimate,
        0.97,
        "estimate ",
        color=FIRST,
        fontsize=9,
        ha="right",
        va="top",
        transform=axes.get_xaxis_transform(),
    )
    axes.set_xlabel("after permutation")
    axes.set_ylabel(f"of {len(headline.null)} permutations")
    axes.locator_params(axis="y", integer=True)
    axes.set_title(f"null, p = {headline.p_value:.3f}", loc="left", fontsize=10)


def _draw_classes(axes: Axes, classes: Sequence[ClassCorrelation], sensors: tuple[str, str]) -> None:
    place = np.arange(len(classes))[::-1]
    for shift, color, sensor in ((0.12, FIRST, sensors[0]), (-0.12, SECOND, sensors[1])):
        found = [one.estimates[sensor] for one in classes]
        values = [e.estimate for e in found]
        axes.errorbar(
            values, place + shift, xerr=_error(found), fmt="o", markersize=5, color=color, label=sensor
        )
        limits = [e.spectrum_null[0] for e in found]
        axes.vlines(limits, place + shift - 0.1, place + shift + 0.1, color=color, linestyle=":")
    axes.set_yticks(place, [f"{one.land_class.name} ({one.samples:,})" for one in classes])
    axes.set_ylim(-0.6, len(classes) - 0.4)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlim(right=1)
    axes.grid(axis="x", color="#e3e6e8")
    axes.set_axisbelow(True)
    axes.set_xlabel("held-out correlation of each sensor with the class (training labels)")
    axes.set_title("which sensor tells which class", loc="left", fontsize=10)
    axes.plot([], [], color=QUIET, linestyle=":", label=_LIMIT)
    axes.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
