"""The page: which sections there are, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2
import numpy as np

from geo_xmodal.accuracy.gain import PairedGain, compare, mean_and_sd, spread
from geo_xmodal.accuracy.metrics import MEASURES
from geo_xmodal.accuracy.report import charts, numbers, pictures
from geo_xmodal.accuracy.report.values import Picture, Report
from geo_xmodal.class_shares import CHOICES, QUESTION
from geo_xmodal.types import LandClass

_NAMES = {
    "oa": "Overall accuracy",
    "aa": "Average accuracy",
    "kappa": "Cohen’s κ",
    "miou": "Mean IoU",
    "macro_f1": "Macro F1",
    "ece": "Calibration error",
}


@dataclass(frozen=True)
class _GainRow:
    control: str
    measure: str
    gain: PairedGain
    strip: charts.Chart


def render_report(report: Report) -> str:
    """The report as one HTML page that needs nothing else: no script, no address, no font.

    Raises:
        LabelError: if a class colour is not `#rrggbb`.
        ValueError: if runs and controls cannot be paired, or do not have the report's classes.
    """
    if report.seeds and len(report.seeds) != len(report.runs):
        raise ValueError(f"{len(report.seeds)} seeds for {len(report.runs)} runs")
    if any(len(run["per_class"]) != len(report.classes) for run in report.runs):
        raise ValueError(f"a run does not have the report's {len(report.classes)} classes")
    return page_environment().get_template("template.html").render(
        report=report,
        swatches=_swatches(report),
        scores=_scores(report),
        summary=_summary(report),
        the_map=_map(report),
        other_pictures=[_picture(picture, report.classes) for picture in report.pictures],
        choices=_choices(report),
        question=QUESTION,
        gain=_gain(report),
        scenes=_scenes(report),
        per_class=_per_class(report),
        confusion=_confusion(report),
        reliability=charts.reliability_chart(report.reliability)
        if any(one.count for one in report.reliability)
        else None,
        teacher=_teacher(report),
        validation=[(curve.name, charts.curve_chart(curve, as_percent=True)) for curve in report.validation],
        losses=[(curve.name, charts.curve_chart(curve)) for curve in report.losses],
    )  # fmt: skip


@cache
def page_environment(package: str = __package__) -> jinja2.Environment:
    """Templates of a package, which may include those and the style of this one; everything is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(one, ".") for one in (package, __package__)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for show in (numbers.percent, numbers.points, numbers.signed, numbers.number, numbers.whole):
        environment.filters[show.__name__] = show
    return environment


def _swatches(report: Report) -> dict[int, dict[str, Any]]:
    colours = {land.id: pictures.colour(land) for land in report.classes}
    return {
        class_id: {
            "background": f"rgb({rgb[0]} {rgb[1]} {rgb[2]})",
            "ink": "#000" if pictures.is_light(rgb) else "#fff",
        }
        for class_id, rgb in colours.items()
    }


def _teacher(report: Report) -> dict[str, Any] | None:
    """How the teacher of the first run was chosen, and whether that of each may teach."""
    found = [run["teacher"] for run in report.runs if "teacher" in run]
    if not found:
        return None
    seeds = report.seeds if len(found) == len(report.seeds) > 1 else ()
    verdicts = [
        {
            "style": "gain" if one["may_teach"] else "open",
            "words": f"Seed {seeds[k]}: {one['why']}."
            if seeds
            else f"{one['why'][0].upper()}{one['why'][1:]}.",
        }
        for k, one in enumerate(found)
    ]
    return {"about": found[0], "verdicts": verdicts}


def _choices(report: Report) -> list[dict[str, Any]]:
    """Measures for every choice of class shares, that of all other figures first."""
    if not report.runs or not all("shares" in run for run in report.runs):
        return []
    first = report.runs[0]["shares"]
    rows = []
    for name in first["choices"]:
        several = [run["shares"]["choices"].get(name, {"refused": ""}) for run in report.runs]
        refused = [one["refused"] for one in several if "refused" in one]
        over_seeds = None if refused else spread(several)
        cells = [
            {"measure": measure, **{key: over_seeds[key][measure] for key in ("mean", "sd")}}
            for measure in _NAMES
            if over_seeds is not None
        ]
        rows.append({"name": name, "words": CHOICES[name], "refused": refused[:1], "cells": cells})
    return rows


def _scores(report: Report) -> list[dict[str, Any]]:
    if not report.runs:
        return []
    over_seeds = spread(report.runs)
    return [
        {
            "measure": measure,
            "name": name,
            "mean": over_seeds["mean"][measure],
            "sd": over_seeds["sd"][measure],
            "runs": [run.get(measure) for run in report.runs],
        }
        for measure, name in _NAMES.items()
    ]


def _summary(report: Report) -> str:
    if not report.runs:
        return ""
    mean, sd = mean_and_sd([run["oa"] for run in report.runs])
    pixels = {run["n"] for run in report.runs}
    where = f"{numbers.whole(max(pixels))} reference pixels"
    if len(pixels) > 1:
        where = f"{numbers.whole(min(pixels))} to {where}"
    spread_words = (
        "" if sd is None else f", standard deviation {numbers.points(sd)} over {len(report.runs)} seeds"
    )
    said = "" if report.choice is None else f"{report.choice['says']} "
    tested = f"{where} ({report.runs[0]['split']})"
    return f"{said}Overall accuracy {numbers.percent(mean)}{spread_words}, on {tested}."


def _picture(picture: Picture, classes: Sequence[LandClass]) -> dict[str, Any]:
    return {
        "uri": pictures.picture_uri(picture, classes),
        "caption": picture.caption,
        "height": picture.pixels.shape[0],
        "width": picture.pixels.shape[1],
        "bar": pictures.scale_bar(picture),
    }


def _map(report: Report) -> dict[str, Any] | None:
    if report.map is None:
        return None
    pixels = report.map.pixels
    shown = pictures.class_counts(pixels) if pixels.ndim == 2 else {}
    counts = shown if report.mapped_pixels is None else report.mapped_pixels
    total = sum(counts.get(land.id, 0) for land in report.classes)
    largest = max((counts.get(land.id, 0) for land in report.classes), default=0)
    legend = [
        {
            "land": land,
            "share": counts.get(land.id, 0) / total if total else None,
            "bar": 100 * counts.get(land.id, 0) / largest if largest else 0,
            "where": pictures.silhouette_uri(pixels, land.id) if land.id in shown else None,
        }
        for land in report.classes
    ]
    return _picture(report.map, report.classes) | {
        "legend": legend,
        "has_shares": total > 0,
        "has_places": bool(shown),
    }


def _gain(report: Report) -> dict[str, Any] | None:
    if not report.controls or not report.runs:
        return None
    pairs = [(control, measure) for control in report.controls for measure in MEASURES]
    gains = {
        (control, measure): compare(report.runs, report.controls[control], measure)
        for control, measure in pairs
    }
    strips = charts.interval_charts(list(gains.values()))
    rows = [
        _GainRow(_control_name(control), _NAMES[measure], gains[control, measure], strip)
        for (control, measure), strip in zip(pairs, strips, strict=True)
    ]
    methods = [(_control_name(name), runs) for name, runs in report.controls.items()]
    methods.append((report.method, report.runs))
    panels = []
    for measure in ("oa", "aa"):
        lines = [(name, [run[measure] for run in runs]) for name, runs in methods]
        if all(value is not None for _, line in lines for value in line):
            panels.append(charts.seeds_chart(_NAMES[measure], lines))
    return {
        "verdicts": [
            _verdict(measure, {_control_name(name): gains[name, measure] for name in report.controls})
            for measure in ("oa", "aa")
        ],
        "panels": panels,
        "rows": rows,
        "summaries": {_control_name(name): words for name, words in report.control_summaries.items()},
    }


def _control_name(name: str) -> str:
    return f"{name.replace('_', '-')} control"


def _verdict(measure: str, gains: Mapping[str, PairedGain]) -> dict[str, Any]:
    """Whether there is a gain, in words: it is one over every control, and a loss to any is a loss."""
    by_outcome = {
        outcome: " and the ".join(name for name, gain in gains.items() if gain.outcome == outcome)
        for outcome in ("gain", "no gain shown", "loss", "undecided")
    }
    style = "open"
    if by_outcome["undecided"]:
        words = "measured once: only several seeds can tell a gain from luck."
        behind = [gain.mean for gain in gains.values() if gain.mean is not None and gain.mean < 0]
        if behind:
            style = "loss"
            words = (
                f"{numbers.signed(min(behind))} points in one run, the auxiliary sensor did not help here; "
                "how much of that is luck, only several seeds can tell."
            )
    elif by_outcome["loss"]:
        style, words = "loss", f"a loss against the {by_outcome['loss']}."
    elif by_outcome["no gain shown"]:
        words = f"no gain shown over the {by_outcome['no gain shown']}."
    else:
        style, words = "gain", f"a gain over the {by_outcome['gain']}."
    return {
        "style": style,
        "words": f"{_NAMES[measure]}: {words}",
        "details": [_difference(name, gain) for name, gain in gains.items()],
    }


def _difference(control: str, gain: PairedGain) -> str:
    if gain.mean is None:
        return f"Against the {control}: undefined for some run."
    said = f"Against the {control}: {numbers.signed(gain.mean)} points"
    if gain.low is None or gain.high is None:
        return f"{said}, from one seed."
    return (
        f"{said}, standard error {numbers.points(gain.se, 2)}, "
        f"95 % interval {numbers.signed(gain.low)} to {numbers.signed(gain.high)}."
    )


def _per_class(report: Report) -> list[dict[str, Any]]:
    if not report.runs:
        return []
    rows = []
    for k, land in enumerate(report.classes):
        runs = [run["per_class"][k] for run in report.runs]
        row: dict[str, Any] = {"land": land, "support": _support([run["support"] for run in runs])}
        for measure in ("recall", "precision", "f1", "iou"):
            row[measure], row[f"{measure}_sd"] = mean_and_sd([run[measure] for run in runs])
        rows.append(row)
    return rows


def _scenes(report: Report) -> list[dict[str, Any]]:
    """Each of several scenes that was tested: its pixels, measures and gains over the controls."""
    rows = []
    for name, role in report.scenes.items():
        if not report.runs or name not in report.runs[0]["scenes"]:
            continue
        runs = [run["scenes"][name] for run in report.runs]
        row: dict[str, Any] = {"name": name, "role": role, "n": _support([run["n"] for run in runs])}
        for measure in ("oa", "aa", "miou"):
            row[measure], row[f"{measure}_sd"] = mean_and_sd([run[measure] for run in runs])
        row["gains"] = [
            compare(runs, [run["scenes"][name] for run in control], "oa")
            for control in report.controls.values()
        ]
        rows.append(row)
    return rows


def _support(counts: Sequence[int]) -> str:
    if len(set(counts)) == 1:
        return numbers.whole(counts[0])
    return f"{numbers.whole(min(counts))}–{numbers.whole(max(counts))}"


def _confusion(report: Report) -> charts.Chart | None:
    if not report.runs:
        return None
    counts = np.sum([np.asarray(run["confusion"], np.int64) for run in report.runs], axis=0)
    return charts.confusion_chart(counts, report.classes)
