"""What the runs say: means and spreads, gains over the controls, tests, and what to keep in mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from geo_xmodal.accuracy import MEASURES, PairedTest, least_signed_rank, paired_gain, paired_tests, spread
from geo_xmodal.comparison.cells import CELLS, Results
from geo_xmodal.comparison.request import Cell, ComparisonPlan, Fold, Row
from geo_xmodal.training.experiment import brief, of_scene
from geo_xmodal.training.run import RunResult
from geo_xmodal.version import VERSION
from geo_xmodal.wording import counted

TRANSDUCTIVE = "†: transductive, test pixels took part in training without their labels."


def summarise(folds: Sequence[Fold], plan: ComparisonPlan, results: Results) -> dict[str, Any]:
    """comparison.json, but for the studies (docs/file-formats.md)."""
    firsts = results[next(iter(plan.rows.values())).cell.name][:: len(plan.seeds)]
    scenes, notes = folds[0].scenes, firsts[0].data_notes
    runs = {name: _units(folds, results[row.cell.name]) for name, row in plan.rows.items()}
    tests = _tests(runs, plan.reference)
    scores = [fold.scores(one.metrics) for fold, one in zip(folds, firsts, strict=True)]
    return {
        "version": VERSION,
        "scene": {"name": scenes.name, "simulated": bool(scenes.simulated)},
        **(_about_scenes(folds) if scenes.several else {}),
        "target": scenes.target,
        "seeds": list(plan.seeds),
        "test_pixels": sum(one["n"] for one in scores),
        "overlap_share": _overlap_share(folds, firsts),
        "training_pixels": dict(notes["counts"]),
        "reference": plan.reference,
        "settings": dict(plan.settings),
        "notes": _notes(folds, plan, firsts, results),
        "shares": folds[0].shares,
        "methods": {
            name: _row(folds, row, results)
            | {"tests": None if name == plan.reference else {m: tests[m][name] for m in MEASURES}}
            for name, row in plan.rows.items()
        },
        "controls": _controls(folds, plan, results),
    }


def _about_scenes(folds: Sequence[Fold]) -> dict[str, Any]:
    described = folds[0].scenes.describe()
    left_out = [fold.left_out for fold in folds if fold.left_out is not None]
    if not left_out:
        return described
    for one in described["scenes"]:
        one["held_out"] = one["name"] in left_out
    return {**described, "left_out": left_out}


def _overlap_share(folds: Sequence[Fold], firsts: Sequence[RunResult]) -> float:
    """Share of test patches that share pixels with a training patch."""
    if folds[0].left_out is None:
        return float(firsts[0].data_notes["overlap_share"])
    scenes = [one.data_notes["scenes"][fold.left_out] for fold, one in zip(folds, firsts, strict=True)]
    pixels = [one["test_pixels"] for one in scenes]
    return float(np.average([one["overlap_share"] for one in scenes], weights=pixels) if any(pixels) else 0)


def summarise_ablation(folds: Sequence[Fold], plan: ComparisonPlan, results: Results) -> dict[str, Any]:
    """For each method its rows: means, spreads, and the difference to the whole method, row less whole."""
    return {
        method: {name: _part(folds, plan.rows[method], name, cell, results) for name, cell in rows.items()}
        for method, rows in plan.ablation.items()
    }


def _part(folds: Sequence[Fold], row: Row, name: str, cell: Cell, results: Results) -> dict[str, Any]:
    runs, whole = _units(folds, results[cell.name]), _units(folds, results[row.cell.name])
    return {
        **_means(folds, results[cell.name]),
        "settings": dict(row.method.ablation.get(name, {})),
        "difference": None if cell.name == row.cell.name else paired_gain(runs, whole),
        "transductive": cell.transductive,
        "cell": _folder(cell),
    }


def _by_fold(folds: Sequence[Fold], runs: Sequence[RunResult]) -> list[list[Mapping[str, Any]]]:
    """What counts of the metrics of each seed, fold by fold."""
    seeds = len(runs) // len(folds)
    scores = [
        {"seed": run.metrics["seed"], **folds[k // seeds].scores(run.metrics)} for k, run in enumerate(runs)
    ]
    return _parts(len(folds), scores)


def _parts(folds: int, scores: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    seeds = len(scores) // folds
    return [list(scores[k * seeds : (k + 1) * seeds]) for k in range(folds)]


def _units(folds: Sequence[Fold], runs: Sequence[RunResult]) -> list[Mapping[str, Any]]:
    """What is paired and whose spread is told: seeds, or scenes left out, each the mean of its seeds."""
    by_fold = _by_fold(folds, runs)
    return by_fold[0] if len(folds) == 1 else [spread(one)["mean"] for one in by_fold]


def _means(folds: Sequence[Fold], runs: Sequence[RunResult]) -> dict[str, Any]:
    return means(len(folds), [score for one in _by_fold(folds, runs) for score in one])


def means(folds: int, scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means, standard deviations and the measures of each seed.

    Args:
        folds: how many scenes were left out in turn; 1 for none.
        scores: of each seed, fold by fold. Of several folds, deviations are over their means over seeds, and
            `sd_seeds` are over the seeds' means over folds.
    """
    by_fold = _parts(folds, scores)
    if folds == 1:
        return brief(by_fold[0])
    seeds = [{"seed": each[0]["seed"], **spread(each)["mean"]} for each in zip(*by_fold, strict=True)]
    over_scenes = spread([spread(one)["mean"] for one in by_fold])
    return {**brief(seeds), "sd": over_scenes["sd"], "sd_seeds": spread(seeds)["sd"]}


def _scenes(
    folds: Sequence[Fold], runs: Sequence[RunResult], controls: Mapping[str, Sequence[RunResult]]
) -> dict[str, Any]:
    """Of several scenes, the confusion of all and the measures of each, over seeds; nothing for one scene."""
    own = _by_scene(folds, runs)
    if not own:
        return {}
    theirs = {name: _by_scene(folds, one) for name, one in controls.items()}
    confusion = {
        name: np.mean([one["confusion"] for one in several], axis=0) for name, several in own.items()
    }
    return {
        "confusion": np.sum(list(confusion.values()), axis=0).tolist(),
        "scenes": {
            name: {
                **brief(several),
                "n": several[0]["n"],
                "held_out": several[0]["held_out"],
                "confusion": confusion[name].tolist(),
                "gain": {control: paired_gain(several, one[name]) for control, one in theirs.items()},
            }
            for name, several in own.items()
        },
    }


def _by_scene(folds: Sequence[Fold], runs: Sequence[RunResult]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The metrics of every tested scene of several, one a seed."""
    by_fold = _by_fold(folds, runs)
    if folds[0].left_out is not None:
        return {str(fold.left_out): one for fold, one in zip(folds, by_fold, strict=True)}
    return {name: of_scene(by_fold[0], name) for name in by_fold[0][0].get("scenes", ())}


def _folder(cell: Cell) -> str:
    return f"{CELLS}/{cell.name}"


def _row(folds: Sequence[Fold], row: Row, results: Results) -> dict[str, Any]:
    runs = results[row.cell.name]
    controls = {name: results[cell.name] for name, cell in row.controls.items()}
    return {
        **_means(folds, runs),
        "summary": row.method.summary,
        "uses_rich": row.method.uses_rich,
        "transductive": row.cell.transductive,
        "cell": _folder(row.cell),
        "controls": {name: _folder(cell) for name, cell in row.controls.items()},
        "gain": {
            name: paired_gain(_units(folds, runs), _units(folds, one)) for name, one in controls.items()
        },
        **_scenes(folds, runs, controls),
    }


def _controls(folds: Sequence[Fold], plan: ComparisonPlan, results: Results) -> dict[str, Any]:
    """Each distinct control once, by its folder, with the methods that are held against it."""
    found: dict[str, Any] = {}
    for method, row in plan.rows.items():
        for name, cell in row.controls.items():
            if _folder(cell) not in found:
                found[_folder(cell)] = {
                    **_means(folds, results[cell.name]),
                    "name": name,
                    "summary": row.method.controls(row.cell.variant.options)[name].summary,
                    "of": [],
                    "transductive": cell.transductive,
                    **_scenes(folds, results[cell.name], {}),
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


def _notes(
    folds: Sequence[Fold], plan: ComparisonPlan, firsts: Sequence[RunResult], results: Results
) -> list[str]:
    """What must be known beside the figures, a line each; `firsts` are runs of the first seed, one a fold."""
    notes, scenes = [], folds[0].scenes
    if scenes.simulated and len(scenes.simulated) == len(scenes.members):
        which = "The scene is simulated" if not scenes.several else "All scenes are simulated"
        notes.append(f"{which}: figures say nothing about a real place.")
    elif scenes.simulated:
        notes.append(f"Simulated, and without a word about a real place: {', '.join(scenes.simulated)}.")
    joined = dict.fromkeys(line for fold in folds for line in fold.scenes.notes)
    notes += [f"{line}." for line in joined]
    share = _overlap_share(folds, firsts)
    if share > 0:
        notes.append(
            f"Warning: {share:.1%} of test patches share pixels with a training patch, so that accuracies "
            "are too high; give the scene a split in blocks with a buffer."
        )
    else:
        notes.append("No test patch shares a pixel with a training patch.")
    tested = [fold.scores(one.metrics)["per_class"] for fold, one in zip(folds, firsts, strict=True)]
    without = [
        same[0]["name"] for same in zip(*tested, strict=True) if not any(one["support"] for one in same)
    ]
    if without:
        notes.append(f"Without test pixels, and in no average: {', '.join(without)}.")
    for fold, one in zip(folds, firsts, strict=True):
        labels = one.data_notes["per_class"]
        where = "" if fold.left_out is None else f" without {fold.left_out}"
        if few := [name for name in labels["labelled_pairs"] if _labels(labels, name) < 2]:
            notes.append(f"Fewer than two training pixels{where}: {', '.join(few)}.")
    notes += _shares_notes(folds, results)
    notes += plan.notes
    if alone := [name for name, row in plan.rows.items() if not row.method.uses_rich]:
        notes.append(f"Without the auxiliary sensor, and so without a gain from it: {', '.join(alone)}.")
    seeds = len(plan.seeds)
    if len(folds) > 1:
        notes.append(
            f"Every method was trained {len(folds)} times a seed, each time without one of the scenes, whose "
            f"labels are all test pixels then; spreads are over these {len(folds)} scenes, each the mean of "
            f"{counted(seeds, 'seed')}."
        )
        if others := len(plan.rows) - 1:
            notes.append(
                f"Tests are paired over these scenes and two-sided, against {plan.reference}, with Holm's "
                f"correction over {counted(others, 'method')}; Wilcoxon's p cannot be below "
                f"{least_signed_rank(len(folds)):.3g} before it. They are about other scenes of this kind."
            )
    elif seeds == 1:
        notes.append("One seed: no spread, no test; a difference may be luck.")
    elif others := len(plan.rows) - 1:
        notes.append(
            f"Tests are paired over {seeds} seeds and two-sided, against {plan.reference}, with Holm's "
            f"correction over {counted(others, 'method')}; Wilcoxon's p cannot be below "
            f"{least_signed_rank(seeds):.3g} before it. They are about other seeds on this scene, not "
            "about other scenes."
        )
    if any(row.cell.transductive for row in plan.rows.values()):
        notes.append(TRANSDUCTIVE)
    return notes


def _shares_notes(folds: Sequence[Fold], results: Results) -> list[str]:
    """Whose class shares the figures have, and how often they could not be had."""
    runs = [run.metrics.get("shares") for several in results.values() for run in several]
    known = [one for one in runs if one is not None]
    if not known:
        return []
    asked = folds[0].shares
    if asked is None:
        return [f"Class shares: {known[0]['chosen']}, as {known[0]['why_default']}."]
    refused = [one for one in known if "refused" in one["choices"].get(asked, {})]
    lines = [f"Class shares: {asked}, as asked."]
    if refused:
        lines.append(
            f"Warning: {len(refused)} of {counted(len(known), 'run')} could not be told with {asked} class "
            f"shares, and are with {refused[0]['chosen']}: {refused[0]['choices'][asked]['refused']}."
        )
    return lines


def _labels(per_class: Mapping[str, Mapping[str, int]], name: str) -> int:
    return sum(per_class[group][name] for group in ("labelled_pairs", "labelled_target"))
