"""What the runs say: means and spreads, gains over the controls, tests, and what to keep in mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geo_xmodal.accuracy import MEASURES, PairedTest, least_signed_rank, paired_gain, paired_tests
from geo_xmodal.comparison.cells import CELLS, Results
from geo_xmodal.comparison.request import Cell, ComparisonPlan, Row
from geo_xmodal.scenes import Scene
from geo_xmodal.training.experiment import brief
from geo_xmodal.training.run import RunResult
from geo_xmodal.version import VERSION

TRANSDUCTIVE = "†: transductive, test pixels took part in training without their labels."


def summarise(scene: Scene, plan: ComparisonPlan, results: Results) -> dict[str, Any]:
    """comparison.json, but for the studies (docs/file-formats.md)."""
    first = results[next(iter(plan.rows.values())).cell.name][0]
    notes = first.data_notes
    runs = {name: _metrics(results[row.cell.name]) for name, row in plan.rows.items()}
    tests = _tests(runs, plan.reference)
    return {
        "version": VERSION,
        "scene": {"name": scene.name, "simulated": scene.simulated},
        "target": plan.gather.target or scene.target,
        "seeds": list(plan.seeds),
        "test_pixels": first.metrics["n"],
        "overlap_share": notes["overlap_share"],
        "training_pixels": dict(notes["counts"]),
        "reference": plan.reference,
        "settings": dict(plan.settings),
        "notes": _notes(scene, plan, first),
        "methods": {
            name: _row(row, results)
            | {"tests": None if name == plan.reference else {m: tests[m][name] for m in MEASURES}}
            for name, row in plan.rows.items()
        },
        "controls": _controls(plan, results),
    }


def summarise_ablation(plan: ComparisonPlan, results: Results) -> dict[str, Any]:
    """For each method its rows: means, spreads, and the difference to the whole method, row less whole."""
    return {
        method: {name: _part(plan.rows[method], name, cell, results) for name, cell in rows.items()}
        for method, rows in plan.ablation.items()
    }


def _part(row: Row, name: str, cell: Cell, results: Results) -> dict[str, Any]:
    runs, whole = _metrics(results[cell.name]), _metrics(results[row.cell.name])
    return {
        **brief(runs),
        "settings": dict(row.method.ablation.get(name, {})),
        "difference": None if cell.name == row.cell.name else paired_gain(runs, whole),
        "transductive": cell.transductive,
        "cell": _folder(cell),
    }


def _metrics(runs: Sequence[RunResult]) -> list[dict[str, Any]]:
    return [run.metrics for run in runs]


def _folder(cell: Cell) -> str:
    return f"{CELLS}/{cell.name}"


def _row(row: Row, results: Results) -> dict[str, Any]:
    runs = _metrics(results[row.cell.name])
    return {
        **brief(runs),
        "summary": row.method.summary,
        "uses_rich": row.method.uses_rich,
        "transductive": row.cell.transductive,
        "cell": _folder(row.cell),
        "controls": {name: _folder(cell) for name, cell in row.controls.items()},
        "gain": {
            name: paired_gain(runs, _metrics(results[cell.name])) for name, cell in row.controls.items()
        },
    }


def _controls(plan: ComparisonPlan, results: Results) -> dict[str, Any]:
    """Each distinct control once, by its folder, with the methods that are held against it."""
    found: dict[str, Any] = {}
    for method, row in plan.rows.items():
        for name, cell in row.controls.items():
            if _folder(cell) not in found:
                found[_folder(cell)] = {
                    **brief(_metrics(results[cell.name])),
                    "name": name,
                    "summary": row.method.controls(row.cell.variant.options)[name].summary,
                    "of": [],
                    "transductive": cell.transductive,
                }
            found[_folder(cell)]["of"].append(method)
    return found


def _tests(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], reference: str
) -> dict[str, dict[str, dict[str, Any]]]:
    """By measure and method; Holm's correction is over the methods, measure by measure."""
    return {
        measure: {name: _test(one) for name, one in paired_tests(runs, reference, measure).items()}
        for measure in MEASURES
    }


def _test(test: PairedTest) -> dict[str, Any]:
    gain = test.gain
    return {
        "mean": gain.mean,
        "se": gain.se,
        "interval": None if gain.low is None else [gain.low, gain.high],
        "p_t": test.t,
        "p_t_holm": test.t_holm,
        "p_wilcoxon": test.wilcoxon,
        "p_wilcoxon_holm": test.wilcoxon_holm,
    }


def _notes(scene: Scene, plan: ComparisonPlan, first: RunResult) -> list[str]:
    """What must be known beside the figures, a line each."""
    notes = []
    if scene.simulated:
        notes.append("The scene is simulated: figures say nothing about a real place.")
    share = first.data_notes["overlap_share"]
    if share > 0:
        notes.append(
            f"Warning: {share:.1%} of test patches share pixels with a training patch, so that accuracies "
            "are too high; give the scene a split in blocks with a buffer."
        )
    else:
        notes.append("No test patch shares a pixel with a training patch.")
    without = [one["name"] for one in first.metrics["per_class"] if not one["support"]]
    if without:
        notes.append(f"Without test pixels, and in no average: {', '.join(without)}.")
    labels = first.data_notes["per_class"]
    few = [name for name in labels["labelled_pairs"] if _labels(labels, name) < 2]
    if few:
        notes.append(f"Fewer than two training pixels: {', '.join(few)}.")
    notes += plan.notes
    if alone := [name for name, row in plan.rows.items() if not row.method.uses_rich]:
        notes.append(f"Without the auxiliary sensor, and so without a gain from it: {', '.join(alone)}.")
    seeds = len(plan.seeds)
    if seeds == 1:
        notes.append("One seed: no spread, no test; a difference may be luck.")
    elif others := len(plan.rows) - 1:
        notes.append(
            f"Tests are paired over {seeds} seeds and two-sided, against {plan.reference}, with Holm's "
            f"correction over {others} method{'s' if others > 1 else ''}; Wilcoxon's p cannot be below "
            f"{least_signed_rank(seeds):.3g} before it. They are about other seeds on this scene, not "
            "about other scenes."
        )
    if any(row.cell.transductive for row in plan.rows.values()):
        notes.append(TRANSDUCTIVE)
    return notes


def _labels(per_class: Mapping[str, Mapping[str, int]], name: str) -> int:
    return sum(per_class[group][name] for group in ("labelled_pairs", "labelled_target"))
