"""`pretrain`: pairs of two sensors, without labels, to encoders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rich.table

import geo_xmodal as gx
from geo_xmodal.commands import process, several
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.commands.options import key_values, learned_from
from geo_xmodal.commands.parsing import command
from geo_xmodal.commands.results import percent
from geo_xmodal.outputs import check_writable
from geo_xmodal.requests import PretrainCommand, PretrainOptions


@command(PretrainCommand)
@several.joining
def pretrain(request: PretrainCommand, console: Console) -> None:
    """Pretrain, and say what a linear classifier makes of it."""
    with several.together():
        pairs = key_values(request.settings)
        given = learned_from(request.scenes, request.chips, request.layout, console, request.allow_addresses)
    name = given.name if isinstance(given, gx.ChipSet) else given[0].name
    folder = request.out or Path("runs") / f"{name}-pretrain-{request.method}"
    if not process.follows():
        check_writable(folder)
    asked = gx.PretrainRequest(**request.part(PretrainOptions), settings=pairs)
    with console.progress(long=_cheaper) as progress:
        run = gx.pretrain_scene(given, folder, asked, progress, note=lambda line: console.warn(line, "note"))
    if process.follows():
        return
    console.assumed(run.assumptions)
    method = "fcn" if pairs.get("image", "0") != "0" else "hgr"
    console.result(
        dict(run.metrics),
        *_summary(run.metrics),
        f"run: {folder}",
        f"to train from it: geo-xmodal train {_learned(request)} --method {method} --init {folder}",
    )


def show_encoders(run: Path, console: Console) -> None:
    """What `info` says of a finished pretraining."""
    card = gx.load_pretrained(run).card
    sensors = {
        one.modality: f"{one.kind}, {len(one.statistics.bands)} bands: {one.network.name}, {one.features} "
        f"features of {2 * one.margin + 1} x {2 * one.margin + 1} pixels"
        for one in card.sensors
    }
    truth = "simulated" if card.simulated else "real"
    console.result(
        {"type": "encoders", "folder": run, **card.model_dump(mode="json", exclude={"training"})},
        fields(
            encoders=run,
            pretrained_by=f"{card.method}, {card.dimensions} dimensions, {card.common} of them common",
            pretrained_on=f"{card.scene} ({truth})",
            **sensors,
            transductive=card.transductive or None,
            to_train_from_it=f"geo-xmodal train --method hgr --init {run}",
        ),
    )


def _summary(metrics: Mapping[str, Any]) -> list[rich.table.Table | str]:
    """Pairs, dimensions and loss; the linear probe where there were labels."""
    kinds = (
        f"{metrics['common']} of them common" if metrics["method"] == "decur" else "none told from another"
    )
    parts: list[rich.table.Table | str] = [
        f"{metrics['method']} on {metrics['pairs']:,} pairs: embeddings of {metrics['dimensions']} "
        f"dimensions, {kinds}"
        + "".join(f", last loss {value:.4g}" for value in metrics["loss"].values())
        + ("; TRANSDUCTIVE: test pixels took part" if metrics["transductive"] else "")
    ]
    probe = metrics["probe"]
    if not probe:
        return [
            *parts,
            "no linear probe: of whole images, or without training labels of which blocks are held out",
        ]
    title = f"linear probe of {probe['pretrained']['held_out']:,} held-out labels, in percent"
    return [
        *parts,
        table(
            title,
            "overall accuracy",
            "average accuracy",
            rows=[
                (words, *(percent(probe[name][measure]) for measure in ("oa", "aa")))
                for name, words in (("pretrained", "pretrained"), ("random", "random weights"))
            ],
        ),
    ]


def _learned(request: PretrainCommand) -> str:
    if request.chips is not None:
        return f"--chips {request.chips}"
    return " ".join(f"--scene {one}" for one in request.scenes)


def _cheaper(time: str) -> str:
    return (
        f"about {time} to go; less with fewer epochs (--epochs), fewer pairs (--set unlabelled=N) or smaller "
        "projectors (--set projector_width=N); Ctrl-C stops it, --resume goes on"
    )
