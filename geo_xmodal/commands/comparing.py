"""`compare`: methods side by side, with their controls."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import rich.table
import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, table
from geo_xmodal.commands.options import (
    AllowAddresses,
    Device,
    HoldOut,
    Json,
    Precision,
    SceneNames,
    key_values,
    opened_scenes,
)
from geo_xmodal.commands.results import classes_table, gain_words, mean_and_sd


class Study(StrEnum):
    """What may be asked beside the table."""

    ABLATION = "ablation"
    NOISE = "noise"


class Means(StrEnum):
    """What methods are given."""

    PUBLISHED = "published"
    EQUAL = "equal"
    BOTH = "both"


def compare(
    scenes: SceneNames,
    out: Annotated[Path, typer.Option(help="Folder for runs, tables and pictures; runs there are kept.")],
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Methods (default: all); see geo-xmodal methods. Also: ceiling, a classifier that sees both "
            "sensors at test time.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The sensor to map from (default: the scene's target).")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from --seed on.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of every method that has epochs.")] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            help="Whose gain the others' are tested against (default: hgr, or the first with a gain).",
        ),
    ] = None,
    means: Annotated[
        Means,
        typer.Option(
            help="Recipes: published (each method's own), equal (the same branch, patch, augmentation, "
            "noise, class weights, optimiser, steps and input of the auxiliary sensor), or a table of both."
        ),
    ] = Means.BOTH,
    trials: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            help="Settings that each method may try on validation blocks of the training labels; 1: its own.",
        ),
    ] = 1,
    study: Annotated[
        list[Study] | None,
        typer.Option(
            help="Also: ablation (what each part of a method is worth), noise (10 to 40 dB at test time)."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="[METHOD.]KEY=VALUE", help="A setting of all methods that have it, or of one."
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "float32",
    allow_addresses: AllowAddresses = False,
    hold_out: HoldOut = None,
    leave_one_scene_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-scene-out",
            help="Train once for each scene with labels, on the others, and test on it.",
        ),
    ] = False,
    shares: Annotated[
        Literal["labels", "equal", "estimated"] | None,
        typer.Option(
            help="What all figures should be right about (default: equal where labels were drawn class by "
            "class, else labels); nothing is trained again for it."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Set methods side by side: same pixels and seeds, gains over their controls, paired tests.

    Given again, the command goes on where it was stopped; finished runs are not repeated.
    """
    console = Console(json)
    pairs = key_values(settings or [])
    opened = opened_scenes(scenes, console, allow_addresses)
    request = gx.CompareRequest(
        methods=tuple(name.strip() for name in (methods or "").split(",") if name.strip()),
        target=target,
        seeds=seeds,
        seed=seed,
        epochs=epochs,
        settings=pairs,
        reference=reference,
        means=means.value,
        trials=trials,
        studies=tuple(one.value for one in study or ()),
        device=device,
        precision=precision,
        hold_out=tuple(hold_out or ()),
        leave_one_scene_out=leave_one_scene_out,
        shares=shares,
    )
    with console.progress(long=lambda time: _cheaper(time, request)) as progress:
        compared = gx.compare_methods(
            opened, out, request, progress, note=lambda line: console.warn(line, "note")
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
