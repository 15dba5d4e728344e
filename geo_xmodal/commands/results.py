"""The content of metrics.json as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import rich.table

import geo_xmodal as gx
from geo_xmodal.commands.console import table

_MEASURES = {
    "oa": "overall accuracy",
    "aa": "average accuracy",
    "kappa": "kappa",
    "miou": "mean IoU",
    "macro_f1": "macro F1",
    "ece": "calibration error",
}


def percent(value: float | None) -> str:
    """A fraction as a percentage, one decimal."""
    return "-" if value is None else f"{100 * value:.1f}"


def accuracy_tables(metrics: Mapping[str, Any]) -> list[rich.table.Table | str]:
    """Measures (over seeds where there are several, beside the controls where there are any) and classes."""
    seen = (
        "; TRANSDUCTIVE: test pixels took part in training, unlabelled" if metrics.get("transductive") else ""
    )
    parts: list[rich.table.Table | str] = [
        *([metrics["choice"]["says"], _choice(metrics["choice"])] if "choice" in metrics else []),
        f"{metrics['n']:,} {metrics['split']} {_units(metrics)}; all figures in percent{seen}",
        _measures(metrics),
    ]
    if "shares" in metrics:
        parts.append(_shares(metrics["shares"]))
    if metrics.get("gain"):
        parts.append(_gains(metrics["gain"]))
    if "scenes" in metrics:
        parts.append(_scenes(metrics["scenes"]))
        parts.append(classes_table(metrics["joined_classes"]))
    parts.append(
        table(
            "class",
            "user's accuracy",
            "producer's accuracy",
            "F1",
            "IoU",
            _units(metrics),
            rows=[
                (
                    one["name"],
                    *(percent(one[measure]) for measure in ("precision", "recall", "f1", "iou")),
                    one["support"],
                )
                for one in metrics["per_class"]
            ],
        )
    )
    return parts


def label_counts(report: gx.LabelReport) -> list[dict[str, Any]]:
    """Pixels of each class, and what of the label files they come from, as JSON."""
    return [
        {
            "id": land.id,
            "name": land.name,
            "found": {
                name: {"count": one.found, "what": summary.what}
                for name, summary in report.sources.items()
                for one in summary.classes
                if one.id == land.id
            },
            **{side: counts.get(land.id, 0) for side, counts in report.pixels.items()},
        }
        for land in report.classes
    ]


def label_table(report: gx.LabelReport) -> rich.table.Table:
    """What of the label files became how many pixels of each class."""
    counts = label_counts(report)
    return table(
        "id",
        "class",
        *(f"{name}: {summary.source}, {summary.what}" for name, summary in report.sources.items()),
        *(f"{side} pixels" for side in report.pixels),
        rows=[
            (
                one["id"],
                one["name"],
                *(found["count"] for found in one["found"].values()),
                *(one[side] for side in report.pixels),
            )
            for one in counts
        ],
    )


def _choice(choice: Mapping[str, Any]) -> rich.table.Table:
    """Candidates on labels that were held out, and what each weighs in the map."""
    return table(
        "candidate",
        "learns from",
        "overall accuracy",
        "average accuracy",
        "seconds",
        "weight",
        rows=[
            (
                one["name"],
                "both sensors" if one["auxiliary"] else "the target sensor",
                *(_with_error(one.get(measure)) for measure in ("oa", "aa")),
                f"{one['seconds']:.0f}",
                f"{one['weight']:.2f}" if one["weight"] else "-",
            )
            for one in choice["candidates"]
        ],
        title=f"chosen on {choice['labels']:,} training labels that were held out in turn, in percent",
    )


def _with_error(measure: Mapping[str, float | None] | None) -> str:
    if measure is None:
        return "-"
    return percent(measure["value"]) + ("" if measure["se"] is None else f" ± {percent(measure['se'])}")


def _measures(metrics: Mapping[str, Any]) -> rich.table.Table:
    columns = {"this run": metrics, **metrics.get("controls", {})}
    return table(
        "measure",
        *columns,
        rows=[
            (words, *(mean_and_sd(run, measure) for run in columns.values()))
            for measure, words in _MEASURES.items()
        ],
    )


def _shares(shares: Mapping[str, Any]) -> rich.table.Table:
    """Measures for every choice of class shares, that of the other figures first."""
    return table(
        "class shares",
        "overall accuracy",
        "average accuracy",
        "kappa",
        "mean IoU",
        rows=[
            (name, *(mean_and_sd(one, measure) for measure in ("oa", "aa", "kappa", "miou")))
            if "refused" not in one
            else (f"{name}: {one['refused']}", "-", "-", "-", "-")
            for name, one in shares["choices"].items()
        ],
        title=f"what the map should be right about: {shares['chosen']} above{_why(shares)}; map --shares "
        "changes it",
    )


def _why(shares: Mapping[str, Any]) -> str:
    """Why the figures have these class shares."""
    if shares["chosen"] != shares["asked"]:
        return f", as {shares['asked']} could not be had"
    return f", as {shares['why_default']}" if shares["asked"] == shares["default"] else ", as asked"


def _scenes(scenes: Mapping[str, Any]) -> rich.table.Table:
    """Each of several scenes that was tested."""
    controls = list(next(iter(scenes.values())).get("gain", {}))
    return table(
        "scene",
        "overall accuracy",
        "average accuracy",
        "mean IoU",
        *(f"gain over {name}" for name in controls),
        "pixels",
        rows=[
            (
                f"{name}{' (held out)' if one['held_out'] else ''}",
                *(mean_and_sd(one, measure) for measure in ("oa", "aa", "miou")),
                *(gain_words(one["gain"][control]["oa"]) for control in controls),
                one["n"],
            )
            for name, one in scenes.items()
        ],
        title="scene by scene, in percent; gains in overall accuracy",
    )


def classes_table(classes: Sequence[Mapping[str, Any]]) -> rich.table.Table:
    """Which class of which scene became which."""
    names = list(dict.fromkeys(name for one in classes for name in one["scenes"]))
    return table(
        "id",
        "class",
        *(f"id in {name}" for name in names),
        rows=[(one["id"], one["name"], *(one["scenes"].get(name, "-") for name in names)) for one in classes],
        title="classes, joined by name",
    )


def _units(metrics: Mapping[str, Any]) -> str:
    points = metrics.get("points", {}).get("n", 0)
    if not points:
        return "pixels"
    return "points" if points >= metrics["n"] else "pixels and points"


def mean_and_sd(run: Mapping[str, Any], measure: str) -> str:
    """A measure in percent, with its standard deviation where there are several seeds."""
    if "mean" not in run:
        return percent(run.get(measure))
    mean, sd = run["mean"].get(measure), run["sd"].get(measure)
    return percent(mean) if sd is None else f"{percent(mean)} ± {percent(sd)}"


def _gains(gains: Mapping[str, Any]) -> rich.table.Table:
    return table(
        "gain over",
        "overall accuracy",
        "average accuracy",
        rows=[(control, gain_words(gain["oa"]), gain_words(gain["aa"])) for control, gain in gains.items()],
    )


def gain_words(gain: Mapping[str, float | None]) -> str:
    """A paired difference in points, with its standard error where there are several seeds."""
    mean, se = gain["mean"], gain["se"]
    if mean is None:
        return "-"
    return f"{100 * mean:+.1f}" + ("" if se is None else f" ± {percent(se)} (standard error)")
