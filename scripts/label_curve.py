"""Accuracy against the number of labels, with and without the auxiliary sensor.

    python scripts/label_curve.py SCENE OUT PICTURE.png [COUNT ...] [KEY=VALUE ...]

Trains `hgr` with both controls and five seeds for each number of labels a class (runs resume), then the
target sensor alone on all labels, draws overall and average accuracy, and prints the table as Markdown.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import geo_xmodal as gx

COUNTS = (5, 10, 20, 50, 100, 200)
SEEDS = 5
NAMES = {
    "hgr": ("trained with the auxiliary sensor (hgr)", "#1b7837", "o"),
    "self_training": ("target alone, self-trained", "#d95f02", "s"),
    "target_only": ("target alone, labels only", "#7570b3", "^"),
}


def runs_of(scores: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {"hgr": scores["seeds"]} | {name: one["seeds"] for name, one in scores["controls"].items()}


def measured(
    scene: gx.Scene, out: Path, counts: Sequence[int], settings: dict[str, str]
) -> dict[int, dict[str, list[dict[str, Any]]]]:
    table = {}
    for count in counts:
        request = gx.TrainRequest(
            seeds=SEEDS, control=True, resume=True,
            settings={"labels_per_class": str(count), "validation": "0", **settings},
        )  # fmt: skip
        table[count] = runs_of(gx.train_scene(scene, out / f"labels-{count}", request).metrics)
        print(row(str(count), table[count]), flush=True)
    return table


def all_labels(scene: gx.Scene, out: Path, settings: dict[str, str]) -> Mapping[str, Any]:
    request = gx.TrainRequest(
        method="cnn", seeds=SEEDS, resume=True, settings={"validation": "0", **settings}
    )
    return gx.train_scene(scene, out / "labels-all", request).metrics


def row(name: str, runs: dict[str, list[dict[str, Any]]]) -> str:
    cells = [
        " / ".join(
            f"{100 * np.mean(values):.1f} ± {100 * np.std(values, ddof=1):.1f}"
            for values in ([run[measure] for run in one] for measure in ("oa", "aa"))
        )
        for one in runs.values()
    ]
    return f"| {name} | {' | '.join(cells)} |"


def draw(
    table: dict[int, dict[str, list[dict[str, Any]]]],
    everything: dict[str, Any],
    scene: gx.Scene,
    picture: Path,
) -> None:
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, measure, title in zip(
        figure.subplots(1, 2), ("oa", "aa"), ("overall accuracy", "average accuracy"), strict=True
    ):
        for name, (text, color, marker) in NAMES.items():
            values = np.array([[100 * run[measure] for run in table[count][name]] for count in table])
            error = values.std(1, ddof=1) / np.sqrt(values.shape[1])
            axes.errorbar(
                list(table), values.mean(1), error, label=text, color=color, marker=marker, capsize=3
            )
        axes.axhline(
            100 * everything["mean"][measure], color="#444444", linestyle="--", linewidth=1,
            label="target alone, all labels",
        )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks(list(table), [str(count) for count in table])
        axes.minorticks_off()
        axes.set_xlabel("training labels a class")
        axes.set_ylabel(f"{title}, %")
        axes.grid(alpha=0.3)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.suptitle(
        f"{scene.name}: map from {scene.target} alone, {SEEDS} seeds, mean ± standard error", fontsize=10
    )
    figure.savefig(picture, dpi=110)


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    scene, out, picture = gx.open_scene(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    settings = dict(word.split("=", 1) for word in sys.argv[4:] if "=" in word)
    counts = [int(word) for word in sys.argv[4:] if "=" not in word] or COUNTS
    print("| labels a class | hgr OA / AA | target only OA / AA | self-training OA / AA |\n|---|---|---|---|")
    table = measured(scene, out, counts, settings)
    everything = all_labels(scene, out, settings)
    mean, sd = everything["mean"], everything["sd"]
    print(
        f"| all | | {100 * mean['oa']:.1f} ± {100 * sd['oa']:.1f} / "
        f"{100 * mean['aa']:.1f} ± {100 * sd['aa']:.1f} | |"
    )
    draw(table, everything, scene, picture)


if __name__ == "__main__":
    main()
