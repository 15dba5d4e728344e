"""The maps of all methods side by side, as in Figs. 5 and 6 of the X-ModalNet paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from geo_xmodal import bundle
from geo_xmodal.comparison.charts import INK, figure, legend_of_classes, panel_size, panels
from geo_xmodal.mapping import preview, quicklook
from geo_xmodal.scenes import Scene
from geo_xmodal.training.run import RunResult

_LARGEST = 512
"""Rows and columns of a map in the picture."""


def draw_maps(scene: Scene, runs: Mapping[str, RunResult], heading: str, out: Path) -> None:
    """The middle of the scene as every method maps it, beside the test labels.

    Args:
        scene: what is mapped.
        runs: the run to show, by the title of its panel.
        heading: above all.
        out: the PNG.
    """
    pictures = {}
    window = None
    for name, run in runs.items():
        trained = bundle.load(run.folder)
        window, ids = preview(trained, scene.reader(trained.card.target.modality))
        oa = run.metrics["oa"]
        words = name if oa is None else f"{name}, OA {100 * oa:.1f} %"
        pictures[words] = quicklook(ids, scene.classes, _LARGEST)
    if window is None:
        return
    reference = quicklook(scene.read_labels("test", window), scene.classes, _LARGEST)
    shown = {**pictures, "test labels": reference}
    with figure(out, *panel_size(len(shown), shape=window.height / window.width)) as made:
        made.suptitle(heading, x=0.01, ha="left", color=INK, fontsize=11)
        for axes, (name, picture) in zip(panels(made, len(shown)), shown.items(), strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set_title(name, loc="left", fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
        legend_of_classes(made, scene.classes)
