"""The files of a comparison: tables, pictures, page and comparison.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geo_xmodal.comparison import charts, tables
from geo_xmodal.comparison.cells import JSON_NAME, Results
from geo_xmodal.comparison.features import lay_out
from geo_xmodal.comparison.maps import draw_maps, shown_scene
from geo_xmodal.comparison.page import render_page
from geo_xmodal.comparison.request import Cell, ComparisonPlan, Fold
from geo_xmodal.outputs import files_together, write_json, write_text
from geo_xmodal.training.run import RunResult
from geo_xmodal.types import Progress

OPTIONAL = (
    "accuracy-equal.png", "gains.png", "maps.png", "features.png", "ablation.txt", "ablation.csv",
    "ablation.tex", "ablation-features.png", "noise.png", "noise.csv", "scenes.txt", "scenes.csv",
    "scenes.tex",
)  # fmt: skip
"""Files that not every comparison has: those of an earlier one go."""


def write_outputs(
    fold: Fold,
    plan: ComparisonPlan,
    results: Results,
    comparison: dict[str, Any],
    out: Path,
    progress: Progress | None = None,
) -> None:
    """Write everything but the runs, all together; `comparison` gets the names of the files.

    Pictures are of `fold`, the first where there are several.

    Raises:
        OutputError: if a file cannot be written.
    """
    main = [tables.main_table(part) for part in tables.parts_of(comparison).values()]
    files = {
        "table.txt": "\n".join(tables.as_text(one) for one in main),
        "table.csv": tables.as_csv(comparison),
        "table.tex": "\n".join(tables.as_latex(one) for one in main),
    }
    parts = [tables.ablation_table(method, comparison) for method in comparison.get("ablation", {})]
    if parts:
        files["ablation.txt"] = "\n".join(tables.as_text(one) for one in parts)
        files["ablation.tex"] = "\n".join(tables.as_latex(one) for one in parts)
        files["ablation.csv"] = tables.ablation_csv(comparison["ablation"])
    by_scene = tables.scenes_table(comparison)
    if by_scene is not None:
        files["scenes.txt"] = tables.as_text(by_scene)
        files["scenes.tex"] = tables.as_latex(by_scene)
        files["scenes.csv"] = tables.scenes_csv(comparison)
    if "noise" in comparison:
        files["noise.csv"] = tables.noise_csv(comparison["noise"])
    with files_together(out, older=OPTIONAL) as beside:
        for name, text in files.items():
            write_text(beside / name, text)
        pictures = _draw(fold, plan, results, comparison, beside, progress)
        comparison["files"] = [*files, *pictures, "report.html"]
        write_text(beside / "report.html", render_page(comparison, main, by_scene, parts, beside))
        write_json(beside / JSON_NAME, comparison)


def _draw(
    fold: Fold,
    plan: ComparisonPlan,
    results: Results,
    comparison: Mapping[str, Any],
    out: Path,
    progress: Progress | None,
) -> list[str]:
    heading = tables.title(comparison)
    first = f"{heading}; model of seed {plan.seeds[0]}"
    methods = _first_runs({name: row.cell for name, row in plan.rows.items()}, results)
    drawn = []
    for means, part in tables.parts_of(comparison).items():
        drawn.append("accuracy.png" if means == comparison["means"] else f"accuracy-{means}.png")
        charts.draw_accuracy(part, out / drawn[-1])
    if any(one["gain"] for one in comparison["methods"].values()):
        charts.draw_gains(tables.parts_of(comparison), out / "gains.png")
        drawn.append("gains.png")
    if fold.scenes.several:
        first = f"{first}, scene {shown_scene(fold).name}"
    if not shown_scene(fold).single_pixels:
        draw_maps(fold, methods, first, out / "maps.png")
        drawn.append("maps.png")
    parts = {
        f"{method}: {name}": cell for method, rows in plan.ablation.items() for name, cell in rows.items()
    }
    for file, runs in (("features.png", methods), ("ablation-features.png", _first_runs(parts, results))):
        if features := lay_out(fold, runs, plan.seeds[0], progress):
            charts.draw_features(features, fold.scenes.classes, first, out / file)
            drawn.append(file)
    if "noise" in comparison:
        charts.draw_noise(comparison["noise"], heading, out / "noise.png")
        drawn.append("noise.png")
    return drawn


def _first_runs(cells: Mapping[str, Cell], results: Results) -> dict[str, RunResult]:
    """The run of the first seed of each cell, never the best on test."""
    return {tables.marked(name, cell.transductive): results[cell.name][0] for name, cell in cells.items()}
