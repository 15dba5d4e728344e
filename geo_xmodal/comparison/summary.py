"""What the runs say: means and spreads, gains over the controls, tests, and what to keep in mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from geo_xmodal.accuracy import (
    MEASURES,
    PairedTest,
    gain_tests,
    gains_by_seed,
    least_signed_rank,
    paired_gain,
    paired_tests,
    spread,
)
from geo_xmodal.comparison.ceiling import CeilingRuns
from geo_xmodal.comparison.cells import CELLS, Results
from geo_xmodal.comparison.request import (
    GAIN_OVER,
    Cell,
    ComparisonPlan,
    Fold,
    Row,
    TablePlan,
)
from geo_xmodal.training.experiment import brief, of_scene
from geo_xmodal.training.run import RunResult
from geo_xmodal.version import VERSION
from geo_xmodal.wording import counted

TRANSDUCTIVE = "†: transductive, test pixels took part in training without their labels."


def summarise(
    folds: Sequence[Fold], plan: ComparisonPlan, results: Results, ceilings: CeilingRuns
) -> dict[str, Any]:
    """comparison.json, but for the studies (docs/file-formats.md)."""
    firsts = results[next(iter(plan.rows.values())).cell.name][:: len(plan.seeds)]
    scenes, notes = folds[0].scenes, firsts[0].data_notes
    scores = [fold.scores(one.metrics) for fold, one in zip(folds, firsts, strict=True)]
    return {
        "version": VERSION,
        "scene": {"name": scenes.name, "simulated": bool(scenes.simulated)},
        **(_about_scenes(folds) if scenes.several else {}),
        "target": scenes.target,
        "seeds": list(plan.seeds),
        "test_pixels": (tested := sum(one["n"] for one in scores)),
        "overlap_share": _overlap_share(folds, firsts),
        "training_pixels": dict(notes["counts"]),
        "settings": dict(plan.settings),
        "trials": plan.trials,
        "notes": _notes(folds, plan, firsts, results, ceilings),
        "shares": folds[0].shares,
        **_tables(folds, plan, results, ceilings, tested),
    }


def _tables(
    folds: Sequence[Fold],
    plan: ComparisonPlan,
    results: Results,
    ceilings: CeilingRuns,
    tested: int,
) -> dict[str, Any]:
    """The first table, and the one of equal means beside it as `equal`."""
    first, *more = (
        {"means": means, **_table(folds, table, results, ceilings, tested)}
        for means, table in plan.tables.items()
    )
    return first | {one["means"]: one for one in more}


def _table(
    folds: Sequence[Fold], table: TablePlan, results: Results, ceilings: CeilingRuns, tested: int
) -> dict[str, Any]:
    tests = _tests(folds, table, results)
    made: dict[str, Any] = {
        "reference": table.reference,
        "methods": {name: _row(folds, row, results) | tests[name] for name, row in table.rows.items()},
        "controls": _controls(folds, table.rows, results),
    }
    if table.means:
        made["common_means"] = dict(table.means)
        made["not_taken"] = {name: list(those) for name, those in table.not_taken.items()}
    if table.ceiling is not None and table.ceiling.name in ceilings:
        made["ceiling"] = _ceiling(folds, table.ceiling, ceilings, tested)
    return made


def _ceiling(folds: Sequence[Fold], cell: Cell, ceilings: CeilingRuns, tested: int) -> dict[str, Any]:
    runs = [one.metrics for one in ceilings[cell.name]]
    pixels = sum(one["n"] for one in runs[:: len(runs) // len(folds)])
    scores = means(len(folds), runs)
    return {**scores, "n": pixels, "test_pixels": tested, "cell": _folder(cell)}


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
        "uses_auxiliary": row.method.uses_auxiliary,
        "transductive": row.cell.transductive,
        "cell": _folder(row.cell),
        **_trials(row.cell, results),
        "controls": {name: _folder(cell) for name, cell in row.controls.items()},
        "gain": {
            name: paired_gain(_units(folds, runs), _units(folds, one)) for name, one in controls.items()
        },
        **_scenes(folds, runs, controls),
    }


def _trials(cell: Cell, results: Results) -> dict[str, Any]:
    """What was tried on validation blocks before each run; nothing where nothing was."""
    runs = results[cell.name]
    if not any(run.trials for run in runs):
        return {}
    return {"trials": [{"seed": run.metrics["seed"], "tried": list(run.trials)} for run in runs]}


def _controls(folds: Sequence[Fold], rows: Mapping[str, Row], results: Results) -> dict[str, Any]:
    """Each distinct control once, by its folder, with the methods that are held against it."""
    found: dict[str, Any] = {}
    for method, row in rows.items():
        for name, cell in row.controls.items():
            if _folder(cell) not in found:
                found[_folder(cell)] = {
                    **_means(folds, results[cell.name]),
                    "name": name,
                    "summary": row.summaries[name],
                    "of": [],
                    "transductive": cell.transductive,
                    **_trials(cell, results),
                    **_scenes(folds, results[cell.name], {}),
                }
            found[_folder(cell)]["of"].append(method)
    return found


def _tests(folds: Sequence[Fold], table: TablePlan, results: Results) -> dict[str, dict[str, Any]]:
    """For each method, tests of its gain, and of its gain less that of the reference, measure by measure.

    Holm's correction is over the methods that have a gain, measure by measure, for either question.
    """
    gaining = {name: row for name, row in table.rows.items() if row.gains}
    runs = {name: _units(folds, results[row.cell.name]) for name, row in gaining.items()}
    controls = {name: _units(folds, results[row.controls[GAIN_OVER].name]) for name, row in gaining.items()}
    gains = {name: gains_by_seed(runs[name], controls[name]) for name in gaining}
    own = {measure: gain_tests(runs, controls, measure) for measure in MEASURES}
    against: dict[str, dict[str, PairedTest]] = {measure: {} for measure in MEASURES}
    if table.reference in gaining:
        against = {measure: paired_tests(gains, str(table.reference), measure) for measure in MEASURES}
    return {
        name: {
            "tests": {m: _test(own[m][name]) for m in MEASURES} if name in gaining else None,
            "tests_reference": {m: _test(against[m][name]) for m in MEASURES}
            if name in against[MEASURES[0]]
            else None,
        }
        for name in table.rows
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
    folds: Sequence[Fold],
    plan: ComparisonPlan,
    firsts: Sequence[RunResult],
    results: Results,
    ceilings: CeilingRuns,
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
    if alone := [name for name, row in plan.rows.items() if not row.gains]:
        notes.append(f"Without a gain, as they see one sensor alone: {', '.join(alone)}.")
    notes += _notes_of_means(plan)
    notes += _notes_of_ceiling(folds, plan, ceilings)
    seeds = len(plan.seeds)
    if len(folds) > 1:
        notes.append(
            f"Every method was trained {len(folds)} times a seed, each time without one of the scenes, whose "
            f"labels are all test pixels then; spreads are over these {len(folds)} scenes, each the mean of "
            f"{counted(seeds, 'seed')}."
        )
        notes += _notes_of_tests(plan, "these scenes", len(folds), "other scenes of this kind")
    elif seeds == 1:
        notes.append("One seed: no spread, no test; a difference may be luck.")
    else:
        which = "other seeds on this scene, not about other scenes"
        notes += _notes_of_tests(plan, f"{seeds} seeds", seeds, which)
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


def _notes_of_tests(plan: ComparisonPlan, over: str, units: int, which: str) -> list[str]:
    """What is tested and what it is about; nothing where no method has a gain."""
    gaining = sum(row.gains for row in plan.rows.values())
    if not gaining:
        return []
    reference = plan.table.reference
    beside = "" if gaining < 2 else f", and whether gains differ from that of {reference}"
    return [
        f"Tests are of gains over {GAIN_OVER}: whether they differ from none{beside}; paired over {over} and "
        f"two-sided, with Holm's correction over {counted(gaining, 'method')}; Wilcoxon's p cannot be below "
        f"{least_signed_rank(units):.3g} before it. They are about {which}."
    ]


def _notes_of_means(plan: ComparisonPlan) -> list[str]:
    """How much of the means is equal, and what was tried."""
    notes = []
    equal = plan.tables.get("equal")
    if equal is not None:
        lacking = [
            f"{name} ({', '.join(those)})"
            for name, those in equal.not_taken.items()
            if those and len(those) < len(equal.means) // 2
        ]
        own = [name for name, those in equal.not_taken.items() if len(those) >= len(equal.means) // 2]
        if lacking:
            notes.append(f"Equal means that methods cannot take: {'; '.join(lacking)}.")
        if own:
            notes.append(f"Of another kind, and so with their own means in both tables: {', '.join(own)}.")
    if plan.trials > 1:
        rows = [row for table in plan.tables.values() for row in table.rows.items()]
        untried = dict.fromkeys(name for name, row in rows if not row.cell.space)
        notes.append(
            f"Each method and each control tried {plan.trials} settings of its own search space at most, "
            "itself among them, on validation blocks of the training labels; the best by the mean of OA and "
            f"AA was trained anew and tested.{_nothing_to_try(untried)}"
        )
    return notes


def _nothing_to_try(names: Mapping[str, None]) -> str:
    return f" With nothing to try: {', '.join(names)}." if names else ""


def _notes_of_ceiling(folds: Sequence[Fold], plan: ComparisonPlan, ceilings: CeilingRuns) -> list[str]:
    if plan.table.ceiling is None:
        return []
    runs = ceilings.get(plan.table.ceiling.name)
    if runs is None:
        return ["No ceiling: no test pixel has both sensors."]
    pixels = sum(one.metrics["n"] for one in runs[:: len(runs) // len(folds)])
    return [
        f"The ceiling sees both sensors at test time, on the {pixels:,} test pixels that have both: what a "
        "map could reach that had the auxiliary sensor. It is no method, and is not tuned."
    ]


def _labels(per_class: Mapping[str, Mapping[str, int]], name: str) -> int:
    return sum(per_class[group][name] for group in ("labelled_pairs", "labelled_target"))
