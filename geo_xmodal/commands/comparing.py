"""`compare`: methods side by side, with their controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rich.table

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, table
from geo_xmodal.commands.options import key_values, opened_scenes
from geo_xmodal.commands.parsing import command
from geo_xmodal.commands.results import classes_table, gain_words, mean_and_sd
from geo_xmodal.requests import CompareCommand, CompareOptions


@command(CompareCommand)
def compare(request: CompareCommand, console: Console) -> None:
    """Compare, and show the tables."""
    pairs = key_values(request.settings)
    opened = opened_scenes(request.scenes, console, request.allow_addresses)
    asked = gx.CompareRequest(
        **request.part(CompareOptions),
        methods=tuple(name.strip() for name in (request.methods or "").split(",") if name.strip()),
        settings=pairs,
        studies=request.studies,
    )
    out = request.out
    with console.progress(long=lambda time: _cheaper(time, asked)) as progress:
        compared = gx.compare_methods(
            opened, out, asked, progress, note=lambda line: console.warn(line, "note")
        )
    comparison = compared.content
    console.result(
        comparison,
        *_tables(comparison),
        *_scenes(comparison),
        *(_ablation(method, rows) for method, rows in comparison.get("ablation", {}).items()),
        *comparison["notes"],
        f"report: {out / 'report.html'}",
        f"tables: {out / 'table.txt'}, table.csv, table.tex",
    )


def _cheaper(time: str, request: gx.CompareRequest) -> str:
    """How long it takes, and what would take less."""
    methods = len(request.methods or gx.METHODS)
    tables = " in two tables" if request.means == "both" else ""
    fewer = "one table (--means published), " if request.means == "both" else ""
    return (
        f"about {time} to go, for {request.seeds} seeds of {methods} methods and their controls{tables}; "
        f"less with {fewer}fewer seeds (--seeds), methods (--methods hgr,svm) or epochs (--epochs); Ctrl-C "
        "stops it, the same command goes on"
    )


def _tables(comparison: Mapping[str, Any]) -> list[rich.table.Table]:
    """A table for each of the means."""
    parts = {comparison["means"]: comparison}
    if "equal" in comparison:
        parts["equal"] = comparison["equal"]
    words = {"published": "as published", "equal": "equal means"}
    return [_methods(part, words[means]) for means, part in parts.items()]


def _methods(part: Mapping[str, Any], means: str) -> rich.table.Table:
    found = part["methods"]
    controls = dict.fromkeys(name for one in found.values() for name in one["gain"])
    first = ("target_only",) if "target_only" in controls else ()
    others = [name for name in controls if name not in first]
    rows = [
        (
            _marked(name, one),
            *(_gain(one["gain"].get(control), measure) for control in first for measure in ("oa", "aa")),
            *(("-" if one["tests"] is None else one["tests"]["oa"]["p_t_holm"]) for _ in first),
            *(mean_and_sd(one, measure) for measure in ("oa", "aa", "miou")),
            *(_gain(one["gain"].get(control)) for control in others),
        )
        for name, one in found.items()
    ]
    if "ceiling" in part:
        one = part["ceiling"]
        blank, after = ("",) * (3 * len(first)), ("",) * len(others)
        scores = (mean_and_sd(one, measure) for measure in ("oa", "aa", "miou"))
        rows.append((f"ceiling ({one['n']:,} test pixels)", *blank, *scores, *after))
    return table(
        "method",
        *(f"{which} gain" for _ in first for which in ("OA", "AA")),
        *("p (t, Holm)" for _ in first),
        "overall accuracy",
        "average accuracy",
        "mean IoU",
        *(f"gain over {name}" for name in others),
        rows=rows,
        title=f"{means}, in percent; gains over target_only, the same without the auxiliary sensor",
    )


def _scenes(comparison: Mapping[str, Any]) -> list[rich.table.Table]:
    """Methods and controls on each of several scenes."""
    if "scenes" not in comparison:
        return []
    named = {_marked(name, one): one for name, one in comparison["methods"].items()}
    named |= {
        f"{_marked(one['name'], one)} (control of {', '.join(one['of'])})": one
        for one in comparison["controls"].values()
    }
    tested = next(iter(named.values()))["scenes"]
    made = table(
        "on the scene",
        *(f"{name}{' (held out)' if one['held_out'] else ''}" for name, one in tested.items()),
        rows=[
            (name, *(mean_and_sd(part, "oa") for part in one["scenes"].values()))
            for name, one in named.items()
        ],
        title="overall accuracy scene by scene, in percent",
    )
    return [made, classes_table(comparison["classes"])]


def _gain(gain: Mapping[str, Any] | None, measure: str = "oa") -> str:
    return "-" if gain is None else gain_words(gain[measure])


def _ablation(method: str, rows: Mapping[str, Any]) -> rich.table.Table:
    return table(
        f"parts of {method}",
        "overall accuracy",
        "average accuracy",
        "mean IoU",
        "difference to the whole",
        rows=[
            (
                _marked(name, one),
                *(mean_and_sd(one, measure) for measure in ("oa", "aa", "miou")),
                _gain(one["difference"]),
            )
            for name, one in rows.items()
        ],
    )


def _marked(name: str, one: Mapping[str, Any]) -> str:
    return f"{name}†" if one["transductive"] else name
