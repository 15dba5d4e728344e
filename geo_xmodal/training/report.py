"""A run's page: what it was, how good, what the rich sensor was worth, and the map."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from geo_xmodal import bundle
from geo_xmodal.accuracy import Groups, Picture, Report, curves_from_log, render_report
from geo_xmodal.mapping import preview
from geo_xmodal.raster import pixel_size
from geo_xmodal.scenes import Scene
from geo_xmodal.training.request import Plan
from geo_xmodal.training.run import RunResult
from geo_xmodal.types import ClassArray, Window
from geo_xmodal.wording import counted


def run_report(
    scene: Scene,
    plan: Plan,
    main: Sequence[RunResult],
    controls: Mapping[str, Sequence[RunResult]],
    trained: bundle.Bundle,
    threads: int | None,
) -> str:
    """The page as HTML; its map is that of the first seed's model, `trained`, which learned on `threads`."""
    notes = main[0].data_notes
    window, ids = preview(trained, scene.reader(trained.card.target.modality))
    metres = pixel_size(scene.grid)
    size = metres[0] if metres[2] == "m" else None
    log = main[0].log
    report = Report(
        title=f"{scene.name}: {plan.main.name} from {trained.card.target.kind.upper()}",
        classes=trained.card.legend,
        runs=tuple(one.metrics for one in main),
        seeds=plan.seeds,
        method=plan.main.name,
        simulated=scene.simulated,
        transductive=plan.gather.transductive,
        description=_description(scene, plan, trained, notes, threads),
        command=_command(scene, plan),
        groups=Groups(**{name: int(count) for name, count in notes["counts"].items()}),
        overlap_share=notes.get("overlap_share"),
        unmapped=int(main[0].metrics["unmapped"]),
        controls={name: [one.metrics for one in results] for name, results in controls.items()},
        control_summaries={control.name: control.summary for control in plan.controls},
        notes=plan.notes,
        losses=curves_from_log([{"epoch": row["epoch"], **row["loss"]} for row in log]),
        validation=curves_from_log(
            [{"epoch": row["epoch"], **row["validation"]} for row in log if "validation" in row]
        ),
        reliability=main[0].reliability,
        map=Picture(ids, _caption(trained, window, ids, scene), size),
        pictures=_references(scene, window, size),
    )
    return render_report(report)


def _description(
    scene: Scene, plan: Plan, trained: bundle.Bundle, notes: Mapping[str, Any], threads: int | None
) -> dict[str, str]:
    card = trained.card
    side = 2 * card.margin + 1
    assumed = notes.get("assumptions")
    return {
        "Scene": f"{scene.name} ({'simulated' if scene.simulated else 'real'})",
        "Maps from": f"{card.target.modality} ({card.target.kind}, "
        f"{counted(len(card.statistics.bands), 'band')})",
        "Trained with": f"{card.rich} on {notes['counts']['labelled_pairs']} labelled and "
        f"{notes['counts']['unlabelled_pairs']} unlabelled pairs" if card.rich else "the target sensor alone",
        "Method": plan.main.name,
        "Looks at": f"{side} x {side} pixels around each pixel",
        **({"Taken for granted": "; ".join(assumed)} if assumed else {}),
        "Seeds": ", ".join(str(seed) for seed in plan.seeds),
        **({} if threads is None else {"Threads": f"{threads}; another number gives another model"}),
        "Versions": f"geo_xmodal {card.training['version']}, torch {torch.__version__}",
    }  # fmt: skip


def _command(scene: Scene, plan: Plan) -> str:
    words = ["geo-xmodal", "train", "--scene", scene.name, "--method", plan.main.name]
    if plan.seeds[0]:
        words += ["--seed", str(plan.seeds[0])]
    if len(plan.seeds) > 1:
        words += ["--seeds", str(len(plan.seeds))]
    if plan.controls:
        words += ["--control"]
    for key, value in plan.settings.items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)


def _caption(trained: bundle.Bundle, window: Window, ids: ClassArray, scene: Scene) -> str:
    whole = ids.shape == tuple(scene.grid.shape)
    part = "" if whole else f"; the part from row {window.row}, column {window.col}"
    return f"Map from {trained.card.target.modality} alone, model of the first seed{part}"


def _references(scene: Scene, window: Window, size: float | None) -> tuple[Picture, ...]:
    pictures = []
    for split in ("train", "test"):
        if scene.has_labels(split):
            labels = scene.read_labels(split, window)
            if np.any(labels):
                pictures.append(Picture(labels, f"{split.capitalize()} labels", size))
    return tuple(pictures)
