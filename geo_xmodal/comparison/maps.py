"""The maps of all methods side by side, as in Figs. 5 and 6 of the X-ModalNet paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from geo_xmodal import bundle
from geo_xmodal.accuracy import scores_with
from geo_xmodal.accuracy.report.figures import INK, figure
from geo_xmodal.comparison.charts import legend_of_classes, panel_size, panels
from geo_xmodal.comparison.request import Fold
from geo_xmodal.mapping import preview, quicklook
from geo_xmodal.scenes import Member
from geo_xmodal.training.run import RunResult
from geo_xmodal.training.testing import usable_shares

_MAX = 512
"""Rows and columns of a map in the picture."""


def draw_maps(fold: Fold, runs: Mapping[str, RunResult], heading: str, out: Path) -> None:
    """The middle of one scene (`shown_scene`) as every method maps it, beside its test labels.

    Args:
        fold: whose scenes are mapped.
        runs: the run to show, by the title of its panel.
        heading: above all.
        out: the PNG.
    """
    member = shown_scene(fold)
    classes = fold.scenes.classes
    pictures = {}
    window = None
    for name, run in runs.items():
        trained = bundle.load(run.folder)
        reader = member.reader(member.target)
        window, ids = preview(trained, reader, shares=usable_shares(trained, reader, fold.shares))
        scores = run.metrics if fold.shares is None else scores_with(run.metrics, fold.shares)
        oa = scores["scenes"][member.name]["oa"] if fold.scenes.several else scores["oa"]
        words = name if oa is None else f"{name}, OA {100 * oa:.1f} %"
        pictures[words] = quicklook(ids, classes, _MAX)
    if window is None:
        return
    reference = quicklook(member.read_labels("test", window), classes, _MAX)
    shown = {**pictures, "test labels": reference}
    with figure(out, *panel_size(len(shown), shape=window.height / window.width)) as made:
        made.suptitle(heading, x=0.01, ha="left", color=INK, fontsize=11)
        for axes, (name, picture) in zip(panels(made, len(shown)), shown.items(), strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set_title(name, loc="left", fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
        legend_of_classes(made, classes)


def shown_scene(fold: Fold) -> Member:
    """The scene that is drawn: the first with test labels, one that is held out before others."""
    tested = [one for one in fold.judged if len(one.labels("test"))] or fold.judged
    return min(tested, key=lambda one: not one.held_out)
