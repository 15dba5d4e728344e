"""The charts as values: marks with places and words, which the template writes as SVG.

Nothing here writes markup, so nothing here has to escape: the template does, for every text and attribute.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geo_xmodal.accuracy.calibration import ReliabilityBin
from geo_xmodal.accuracy.gain import PairedGain
from geo_xmodal.accuracy.report.numbers import NONE, compact, ellipsis, percent, tick_label
from geo_xmodal.accuracy.report.values import Curve
from geo_xmodal.types import IntArray, LandClass


@dataclass(frozen=True)
class Mark:
    """One SVG element: its tag, attributes, text, and the title a pointer shows."""

    tag: str
    attributes: dict[str, str | float]
    text: str = ""
    title: str = ""


@dataclass(frozen=True)
class Chart:
    """Marks on a canvas of width x height user units; `label` is what a screen reader says."""

    width: float
    height: float
    label: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Scale:
    """A linear map from values to places."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, count: int) -> list[float]:
        """Round values inside the scale, about `count` of them."""
        step = nice_step((self.high - self.low) / count)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 5 x 10^k that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))


def scale_over(values: Sequence[float], start: float, end: float, pad: float = 0.06) -> Scale:
    """A scale that holds all values with some room, also when they are all the same."""
    low, high = min(values), max(values)
    room = (high - low) * pad or abs(high) * 0.05 or 1.0
    return Scale(low - room, high + room, start, end)


def _text(x: float, y: float, words: str, style: str, title: str = "") -> Mark:
    return Mark("text", {"x": x, "y": y, "class": style}, words, title)


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Mark:
    return Mark("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": style})


def _rect(x: float, y: float, width: float, height: float, style: str, title: str = "") -> Mark:
    return Mark("rect", {"x": x, "y": y, "width": width, "height": height, "class": style}, title=title)


_RIGHT = (22, 95, 133)
_WRONG = (176, 76, 16)


def _shade(hue: tuple[int, int, int], share: float) -> str:
    # The square root keeps small shares apart from none.
    mixed = (round(255 + (channel - 255) * math.sqrt(share)) for channel in hue)
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def confusion_chart(counts: IntArray, classes: Sequence[LandClass]) -> Chart:
    """The confusion matrix: shade and percentage = share of the reference class, below it the count.

    Blue for agreement and orange for confusion, a pair that every common colour vision tells apart.
    """
    names = [ellipsis(land.name, 22) for land in classes]
    cell = min(64.0, max(44.0, 640.0 / len(classes)))
    left = 24 + 6.6 * max(len(name) for name in names)
    top = 46 + 4.7 * max(len(name) for name in names)
    side = cell * len(classes)
    marks = [
        _text(left, 14, "class in the map →", "axis-title"),
        _text(left - 10, top - 10, "reference ↓", "axis-title end"),
        _text(left + side + 10, top - 10, "pixels", "axis-title"),
    ]
    for k, (land, name) in enumerate(zip(classes, names, strict=True)):
        middle = cell * (k + 0.5)
        turn = f"translate({left + middle:.1f} {top - 8:.1f}) rotate(-40)"
        marks.append(Mark("text", {"transform": turn, "class": "tick"}, name, land.name))
        marks.append(_text(left - 10, top + middle + 4, name, "tick end", land.name))
        marks.append(_text(left + side + 10, top + middle + 4, compact(int(counts[k].sum())), "tick"))
    for i, row in enumerate(counts.tolist()):
        for j, count in enumerate(row):
            x, y = left + cell * j, top + cell * i
            share = count / sum(row) if count else 0.0
            told = f"{classes[i].name} mapped as {classes[j].name}: {count:,} pixels ({percent(share)})"
            shade = _shade(_RIGHT if i == j else _WRONG, share)
            marks.append(
                Mark(
                    "rect",
                    {
                        "x": round(x + 1, 2), "y": round(y + 1, 2), "width": cell - 2, "height": cell - 2,
                        "rx": 2, "fill": shade if count else "#f4f5f6",
                    },
                    title=told,
                )
            )  # fmt: skip
            if count:
                tone = "light" if share > 0.4 else "dark"
                marks.append(
                    _text(
                        x + cell / 2,
                        y + cell / 2 - 1,
                        f"{100 * share:.0f}" if share >= 0.005 else "<1",
                        f"cell-share {tone}",
                        told,
                    )
                )
                marks.append(
                    _text(x + cell / 2, y + cell / 2 + 12, compact(count), f"cell-count {tone}", told)
                )
    return Chart(
        left + side + 76, top + side + 6, "Confusion matrix, rows are reference classes", tuple(marks)
    )


def reliability_chart(bins: Sequence[ReliabilityBin]) -> Chart:
    """Accuracy against probability, bin by bin, above the share of pixels in each bin."""
    x, y = Scale(0, 1, 44, 404), Scale(0, 1, 320, 14)
    most = max((one.count for one in bins), default=0) or 1
    total = sum(one.count for one in bins) or 1
    floor = 410
    marks = []
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        marks.append(_line(x(0), y(tick), x(1), y(tick), "grid"))
        marks.append(_text(x(0) - 8, y(tick) + 4, f"{100 * tick:.0f}", "tick end"))
        marks.append(_text(x(tick), floor + 18, f"{100 * tick:.0f}", "tick middle"))
    for one in bins:
        if one.accuracy is None or one.confidence is None:
            continue
        left, width = x(one.low) + 1, x(one.high) - x(one.low) - 2
        told = (
            f"probability {percent(one.low)} to {percent(one.high)}: {one.count:,} pixels, "
            f"mean probability {percent(one.confidence)}, right {percent(one.accuracy)}"
        )
        marks.append(_rect(left, y(one.accuracy), width, y(0) - y(one.accuracy), "bar", told))
        gap = sorted((y(one.accuracy), y(one.confidence)))
        marks.append(_rect(left, gap[0], width, round(gap[1] - gap[0], 2), "gap", told))
        tall = 56 * one.count / most
        marks.append(_rect(left, round(floor - tall, 2), width, round(tall, 2), "bar-quiet", told))
    biggest = max((one.count / total for one in bins), default=0.0)
    marks += [
        _line(x(0), y(0), x(1), y(1), "diagonal"),
        _line(x(0), floor, x(1), floor, "baseline"),
        _text(x(0) - 8, floor - 48, percent(biggest, 0), "tick end"),
        _text(x(0), floor - 64, "share of pixels", "axis-title"),
        _text((x(0) + x(1)) / 2, floor + 38, "top-1 probability, %", "axis-title middle"),
        _text(x(0) + 8, 28, "accuracy, %", "axis-title"),
    ]
    return Chart(420, floor + 46, "Reliability diagram: accuracy against top-1 probability", tuple(marks))


def curve_chart(curve: Curve, as_percent: bool = False) -> Chart:
    """One small line chart, its last value written at its end."""
    factor = 100.0 if as_percent else 1.0
    values = [factor * value for value in curve.values]
    x = scale_over(curve.epochs, 46, 238, pad=0.0) if len(set(curve.epochs)) > 1 else Scale(
        curve.epochs[0] - 1, curve.epochs[0] + 1, 46, 238
    )  # fmt: skip
    y = scale_over(values, 112, 16)
    marks = []
    for tick in y.ticks(4):
        marks.append(_line(46, y(tick), 238, y(tick), "grid"))
        marks.append(_text(40, y(tick) + 4, tick_label(tick), "tick end"))
    marks += [
        _text(46, 128, tick_label(curve.epochs[0]), "tick"),
        _text(238, 128, tick_label(curve.epochs[-1]), "tick end"),
        _text(142, 128, "epoch", "axis-title middle"),
    ]
    places = " ".join(f"{x(e)},{y(v)}" for e, v in zip(curve.epochs, values, strict=True))
    marks.append(Mark("polyline", {"points": places, "class": "curve"}))
    last = (x(curve.epochs[-1]), y(values[-1]))
    marks.append(Mark("circle", {"cx": last[0], "cy": last[1], "r": 3, "class": "dot"}))
    marks.append(_text(last[0] + 7, last[1] + 4, tick_label(values[-1], 3), "value"))
    return Chart(290, 134, f"{curve.name} over epochs", tuple(marks))


def seeds_chart(name: str, rows: Sequence[tuple[str, Sequence[float]]]) -> Chart:
    """Accuracy of every seed: a row a method, thin lines join a seed's dots, the bar is mean +- one SE.

    Args:
        name: the measure.
        rows: (method, fraction of each seed), the same seeds in the same order.
    """
    x = scale_over([100 * value for _, values in rows for value in values], 20, 400, pad=0.08)
    gap, top = 66, 40
    bottom = top + gap * len(rows) - 14
    marks = [_text(20, 16, f"{name}, %", "panel-title")]
    for tick in (tick for tick in x.ticks(5) if tick <= 100):
        marks.append(_line(x(tick), top - 12, x(tick), bottom, "grid"))
        marks.append(_text(x(tick), bottom + 16, tick_label(tick), "tick middle"))
    height = [top + gap * k + 22 for k in range(len(rows))]
    for k in range(len(rows) - 1):
        for this, following in zip(rows[k][1], rows[k + 1][1], strict=True):
            marks.append(_line(x(100 * this), height[k], x(100 * following), height[k + 1], "thread"))
    for k, (method, values) in enumerate(rows):
        style = "ours" if k == len(rows) - 1 else "theirs"
        mean = 100 * math.fsum(values) / len(values)
        marks.append(_text(20, height[k] - 14, f"{method} · {mean:.1f}", f"row-title {style} halo"))
        if len(values) > 1:
            se = 100 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
            left, right = x(mean - se), x(mean + se)
            marks.append(_rect(left, height[k] - 4, max(round(right - left, 2), 1.0), 8, f"se {style}"))
        for seed, value in enumerate(values):
            told = f"{method}, run {seed + 1}: {100 * value:.2f} %"
            place: dict[str, str | float] = {"cx": x(100 * value), "cy": height[k], "r": 4.5}
            marks.append(Mark("circle", {**place, "class": f"seed {style}"}, title=told))
        marks.append(_line(x(mean), height[k] - 9, x(mean), height[k] + 9, f"mean {style}"))
    return Chart(
        420, bottom + 24, f"{name} of every seed, with and without the auxiliary sensor", tuple(marks)
    )


def interval_charts(gains: Sequence[PairedGain]) -> list[Chart]:
    """A strip for each gain, all on one scale: zero, the mean, and the 95 % interval."""
    ends = [100 * v for gain in gains for v in (gain.low, gain.high, gain.mean) if v is not None]
    x = scale_over([0.0, *ends], 6, 174)
    charts = []
    for gain in gains:
        marks = [_line(x(0), 2, x(0), 22, "zero")]
        if gain.low is not None and gain.high is not None:
            marks.append(_line(x(100 * gain.low), 12, x(100 * gain.high), 12, "interval"))
        if gain.mean is not None:
            marks.append(Mark("circle", {"cx": x(100 * gain.mean), "cy": 12, "r": 4, "class": "dot"}))
        told = NONE if gain.mean is None else f"{100 * gain.mean:+.1f} points"
        charts.append(Chart(180, 24, f"gain {told}, {gain.outcome}", tuple(marks)))
    return charts
