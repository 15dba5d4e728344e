"""A run's page: what it was, how good, what the auxiliary sensor was worth, and the map."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from geo_xmodal import bundle
from geo_xmodal.accuracy import Groups, Picture, Report, curves_from_log, render_report
from geo_xmodal.chips import ChipMember, ChipSource
from geo_xmodal.mapping import preview
from geo_xmodal.raster import pixel_size
from geo_xmodal.requests import ExplainRequest, TrainCommand
from geo_xmodal.scenes import SIDES
from geo_xmodal.training.request import Plan
from geo_xmodal.training.run import RunResult
from geo_xmodal.training.sources import Learned, LearnedMember
from geo_xmodal.training.testing import usable_shares
from geo_xmodal.wording import counted

_MAX_PICTURED = 4
"""Scenes of several whose map is on the page."""


def run_report(
    scenes: Learned,
    plan: Plan,
    main: Sequence[RunResult],
    controls: Mapping[str, Sequence[RunResult]],
    trained: bundle.Bundle,
    threads: int | None,
) -> str:
    """The page as HTML; maps are those of the first seed's model, `trained`, which learned on `threads`."""
    notes = main[0].data_notes
    pictured = _pictured(scenes)
    log = main[0].log
    pictures = [_map(trained, one, scenes.several) for one in pictured]
    report = Report(
        title=f"{scenes.name}: {plan.main.name} from {trained.card.target.kind.upper()}",
        classes=trained.card.legend,
        runs=tuple(one.metrics for one in main),
        seeds=plan.seeds,
        method=plan.main.name,
        simulated=bool(scenes.simulated),
        transductive=plan.gather.transductive,
        description=_description(scenes, plan, trained, notes, threads),
        command=_command(scenes, plan),
        explained_by=_explained_by(scenes, trained),
        groups=Groups(**{name: int(count) for name, count in notes["counts"].items()}),
        overlap_share=notes.get("overlap_share"),
        unmapped=int(main[0].metrics["unmapped"]),
        controls={name: [one.metrics for one in results] for name, results in controls.items()},
        control_summaries={control.name: control.summary for control in plan.controls},
        scenes={one.name: _role(one) for one in scenes.members} if scenes.several else {},
        joined_classes=tuple(scenes.joined_classes()) if scenes.several else (),
        notes=plan.notes,
        choice=main[0].metrics.get("choice"),
        losses=curves_from_log([{"epoch": row["epoch"], **row["loss"]} for row in log]),
        validation=curves_from_log(
            [{"epoch": row["epoch"], **row["validation"]} for row in log if "validation" in row]
        ),
        reliability=main[0].reliability,
        map=pictures[0][0] if pictures else None,
        pictures=tuple(itertools.chain.from_iterable(pictures))[1:],
    )
    return render_report(report)


def _pictured(scenes: Learned) -> list[LearnedMember]:
    """The scenes to show: those held out first, whose maps say most; points make no map."""
    members: list[LearnedMember] = [one for one in scenes.members if not one.single_pixels]
    return sorted(members, key=lambda one: not one.held_out)[:_MAX_PICTURED]


def _role(member: LearnedMember) -> str:
    """What a scene is here, in words."""
    does = "held out: only tests" if member.held_out else "trains"
    unlabelled = "" if member.has_labels else ", without labels"
    return f"{'simulated' if member.simulated else 'real'}, {does}{unlabelled}"


def _description(
    scenes: Learned, plan: Plan, trained: bundle.Bundle, notes: Mapping[str, Any], threads: int | None
) -> dict[str, str]:
    card = trained.card
    seen = f"{2 * card.margin + 1} x {2 * card.margin + 1} pixels around each pixel"
    if (tiling := trained.model.tiling) is not None:
        seen = f"images of {tiling.image} x {tiling.image} pixels, for tiles of {tiling.step} x {tiling.step}"
    assumed = notes.get("assumptions")
    which = (
        {f"Scene {one.name}": _role(one) for one in scenes.members}
        if scenes.several
        else {
            "Chips" if isinstance(scenes, ChipSource) else "Scene": f"{scenes.name} "
            f"({'simulated' if scenes.simulated else 'real'})"
        }
    )
    return {
        **which,
        "Maps from": f"{card.target.modality} ({card.target.kind}, "
        f"{counted(len(card.statistics.bands), 'band')})",
        "Trained with": f"{card.auxiliary} on {notes['counts']['labelled_pairs']} labelled and "
        f"{notes['counts']['unlabelled_pairs']} unlabelled pairs"
        if card.auxiliary
        else "the target sensor alone",
        "Method": plan.main.name,
        "Looks at": seen,
        **({"Taken for granted": "; ".join(assumed)} if assumed else {}),
        "Seeds": ", ".join(str(seed) for seed in plan.seeds),
        **({} if threads is None else {"Threads": f"{threads}; another number gives another model"}),
        "Versions": f"geo_xmodal {card.training['version']}, torch {torch.__version__}",
    }  # fmt: skip


def _explained_by(scenes: Learned, trained: bundle.Bundle) -> str:
    """The command that explains the model on the first scene; none for models on whole images, or chips."""
    shown = next((one for one in scenes.members if not isinstance(one, ChipMember)), None)
    if shown is None or trained.model.tiling is not None:
        return ""
    return shlex.join(ExplainRequest(model=".", scene=shown.name).words())


def _command(scenes: Learned, plan: Plan) -> str:
    members = scenes.members
    chips = next((one.chips.folder for one in members if isinstance(one, ChipMember)), None)
    request = TrainCommand(
        chips=chips,
        scenes=tuple(one.name for one in members if not isinstance(one, ChipMember)),
        hold_out=tuple(scenes.held_out),
        method=plan.main.name,
        seed=plan.seeds[0],
        seeds=len(plan.seeds),
        control=bool(plan.controls),
        settings=tuple(f"{key}={value}" for key, value in plan.settings.items()),
    )
    return shlex.join(request.words())


def _map(trained: bundle.Bundle, member: LearnedMember, named: bool) -> list[Picture]:
    """The map of the middle of a scene, then its labels there; `named` says which scene it is."""
    shown = member.pictured()
    reader = shown.reader(shown.target)
    window, ids = preview(trained, reader, shares=usable_shares(trained, reader))
    metres = pixel_size(shown.grid)
    size = metres[0] if metres[2] == "m" else None
    where = f"{shown.name}: " if named or shown is not member else ""
    whole = ids.shape == tuple(shown.grid.shape)
    part = "" if whole else f"; the part from row {window.row}, column {window.col}"
    caption = f"{where}Map from {trained.card.target.modality} alone, model of the first seed{part}"
    pictures = [Picture(ids, caption, size)]
    for side in SIDES:
        labels = shown.read_labels(side, window)
        if np.any(labels):
            pictures.append(Picture(labels, f"{where}{side.capitalize()} labels", size))
    return pictures
