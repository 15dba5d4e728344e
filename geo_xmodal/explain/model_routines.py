"""The routines for a trained model: what each computes, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from geo_xmodal.accuracy.report.numbers import NONE
from geo_xmodal.bundle import Bundle
from geo_xmodal.explain.bands import BandGroup, band_groups
from geo_xmodal.explain.charts import BandAxis, Losses, draw_activation, draw_bands, draw_occlusion
from geo_xmodal.explain.class_activation import (
    NO_PLACES,
    check_window,
    class_activation,
    feature_layer,
    tiles_of,
)
from geo_xmodal.explain.explanation import Routine, Table, percent, rounded
from geo_xmodal.explain.integrated_gradients import class_scores, differentiable, integrated_gradients
from geo_xmodal.explain.occlusion import occlusion
from geo_xmodal.explain.outputs import write_raster
from geo_xmodal.explain.pixels import ExplainedPixels, busiest_window
from geo_xmodal.explain.tree_values import surroundings, tree_values, trees_of
from geo_xmodal.mapping import Classifier
from geo_xmodal.raster import Band, WindowReader
from geo_xmodal.scenes import Scene, labelled_pixels
from geo_xmodal.types import ClassArray, LandClass, Progress, Window, windows_over
from geo_xmodal.wording import counted

NAMES = ("integrated_gradients", "occlusion", "gradcam", "shap")
"""The routines for trained models, in their order."""

_PART = 256
"""Rows and columns that are classified at a time."""

_TOP = 3


@dataclass(frozen=True, eq=False)
class Subject:
    """A model on a scene, and the pixels that it is explained on.

    Attributes:
        bundle: The model.
        scene: Where it is explained.
        reader: The target sensor, with the model's bands in its order.
        pixels: Of the scene.
        steps: Of Integrated Gradients.
        classes: Places in the legend of the classes that Grad-CAM shows.
        window: Where Grad-CAM looks; None for the part with most test labels.
        progress: Told of steps.
    """

    bundle: Bundle
    scene: Scene
    reader: WindowReader
    pixels: ExplainedPixels
    steps: int
    classes: tuple[int, ...]
    window: Window | None
    progress: Progress | None

    @property
    def legend(self) -> tuple[LandClass, ...]:
        """The model's classes."""
        return self.bundle.card.legend

    @property
    def bands(self) -> tuple[Band, ...]:
        """The model's bands."""
        return self.reader.bands

    @cached_property
    def axis(self) -> BandAxis:
        """Where bands lie in figures."""
        return BandAxis.of(self.bands)

    @cached_property
    def groups(self) -> tuple[BandGroup, ...]:
        """Groups of bands."""
        return band_groups(self.bands)

    def tell(self, done: int, total: int, message: str) -> None:
        """Report a step."""
        if self.progress is not None:
            self.progress(done, total, message)

    def steps_of(self, total: int, message: str) -> Callable[..., None]:
        """Something to call after each of so many steps."""
        done = [0]

        def step(*_: object) -> None:
            done[0] += 1
            self.tell(done[0], total, message)

        return step


def integrated_gradients_routine(subject: Subject) -> Routine | str:
    """Integrated Gradients a band; a sentence where the model has no gradients."""
    found = differentiable(subject.bundle.model.network)
    if found is None:
        return "trees have no gradients: see shap"
    network, share = found
    pixels = subject.pixels
    subject.tell(0, 0, "integrated gradients")
    network.requires_grad_(False)
    made = integrated_gradients(class_scores(network), pixels.patches, pixels.label, subject.steps)
    part = "" if share == 1 else f" Explained are the members without trees, of weight {share:.2f} together."
    return _bands_routine(
        subject,
        "integrated_gradients",
        "Integrated Gradients: what each band adds",
        made.by_band,
        pixels.label,
        "logit",
        made.gap,
        f"Integrated Gradients of the logit of each pixel’s class less the mean of all logits, against the "
        f"training mean, summed over the patch ({subject.steps} steps). Above: mean absolute value of "
        f"{len(pixels):,} pixels, as many of each class as can be. Below: mean, class by class; blue speaks "
        "for the class, orange against it.",
        more={"steps": subject.steps, "baseline": "training mean", "weight": share},
        also=part,
    )


def shap_routine(subject: Subject) -> Routine | str:
    """SHAP values of trees a band; a sentence where the model has no trees."""
    members = trees_of(subject.bundle.model.network)
    if not members:
        return "the model has no trees"
    trees, share = max(members, key=lambda one: one[1])
    pixels = subject.pixels
    step = subject.steps_of(len(pixels.classes), "SHAP values of trees")
    made = tree_values(trees, share, pixels.patches, pixels.label, step)
    others = len(members) - 1
    part = "" if share == 1 else f" Explained are trees of weight {share:.2f} in an average"
    part += f"; {counted(others, 'other member')} of trees left out." if others else "." if part else ""
    around = _mean_absolute(made.by(surroundings))
    kinds = _mean_absolute(made.by(lambda feature: feature.kind))
    return _bands_routine(
        subject,
        "shap",
        "SHAP: what each band adds to the trees’ answer",
        made.by_band(len(subject.bands)),
        pixels.label[made.pixels],
        made.score,
        made.gap,
        f"SHAP values (TreeSHAP) of the {made.score} of each pixel’s class, against all pixels that are "
        "explained, summed from context features back to bands; a feature of two bands counts half for each. "
        f"{len(made.pixels):,} pixels. At the bottom: by the surroundings that a feature looks at, and by "
        "its kind.",
        more={
            "score": made.score,
            "weight": share,
            "surroundings": {name: rounded([value])[0] for name, value in around.items()},
            "kinds": {name: rounded([value])[0] for name, value in kinds.items()},
            "features": len(made.features),
        },
        also=part,
        bars={f"by surroundings, {made.score}": around, "by kind of feature": kinds},
    )


def _bands_routine(
    subject: Subject,
    name: str,
    title: str,
    by_band: Tensor,
    label: Tensor,
    unit: str,
    gap: float,
    caption: str,
    more: Mapping[str, Any],
    also: str = "",
    bars: Mapping[str, Mapping[str, float]] | None = None,
) -> Routine:
    """Attributions of bands, however they were found."""
    overall = by_band.abs().mean(dim=0).double().numpy()
    rows, entries = [], []
    for place, land in enumerate(subject.legend):
        own = by_band[label == place]
        if len(own):
            signed = own.mean(dim=0).double().numpy()
            rows.append((land.name, signed))
            entries.append(
                {
                    "id": land.id,
                    "name": land.name,
                    "pixels": len(own),
                    "mean": rounded(signed.tolist()),
                    "mean_absolute": rounded(own.abs().mean(dim=0).tolist()),
                }
            )
    groups = _group_shares(subject.groups, overall)
    leading = sorted(groups, key=lambda one: -one[1])[:_TOP]
    said = ", ".join(f"{group} {share:.0%}" for group, share in leading)
    return Routine(
        name=name,
        title=title,
        says=f"Shares of the attribution: {said}. The attributions of a pixel add up to the change of its "
        f"{unit}, but for {percent(gap)} of it.{also}",
        numbers={
            "completeness_gap": float(f"{gap:.6g}"),
            "unit": unit,
            "pixels": len(by_band),
            **more,
            "overall": rounded(overall.tolist()),
            "groups": {group: rounded([share])[0] for group, share in groups},
            "classes": entries,
        },
        draw=partial(
            draw_bands, axis=subject.axis, overall=overall, rows=rows, unit=unit, more=bars
        ),
        caption=caption,
        tables=(
            Table(
                "Share of the mean absolute attribution in each group of bands.",
                ("Group of bands", "Bands", "Share"),
                tuple(
                    (group.name, str(len(group.places)), share)
                    for group, (_, share) in zip(subject.groups, groups, strict=True)
                ),
            ),
        ),
    )  # fmt: skip


def occlusion_routine(subject: Subject) -> Routine | str:
    """What is lost without each group of bands."""
    pixels, groups = subject.pixels, subject.groups
    step = subject.steps_of(len(groups), "occlusion")
    made = occlusion(subject.bundle.model.network, pixels.patches, pixels.label, groups, step)
    rows, entries = [], []
    for place, land in enumerate(subject.legend):
        own = pixels.of_class(place)
        if len(own):
            drop = made.by_pixel[:, own].mean(dim=1).double().numpy()
            rows.append((land.name, drop))
            entries.append(
                {
                    "id": land.id,
                    "name": land.name,
                    "pixels": len(own),
                    "probability_drop": rounded(drop.tolist()),
                }
            )
    accuracy, probability = (part.double().numpy() for part in (made.accuracy_drop, made.probability_drop))
    worst = int(accuracy.argmax())
    what = "accuracy" if pixels.labelled else "share of unchanged classes"
    says = f"Without {groups[worst].name}, {what} falls most, by {100 * accuracy[worst]:.1f} points"
    says += f" from {made.accuracy:.1%}." if pixels.labelled else "."
    return Routine(
        name="occlusion",
        title="Occlusion: what is lost without a group of bands",
        says=says,
        numbers={
            "accuracy": rounded([made.accuracy])[0],
            "probability": rounded([made.probability])[0],
            "against": "test labels" if pixels.labelled else "the model's own predictions",
            "pixels": len(pixels),
            "groups": [
                {
                    "name": group.name,
                    "bands": [subject.bands[place].name for place in group.places],
                    "accuracy_drop": rounded([accuracy[k]])[0],
                    "probability_drop": rounded([probability[k]])[0],
                }
                for k, group in enumerate(groups)
            ],
            "classes": entries,
        },
        draw=partial(
            draw_occlusion,
            groups=[group.name for group in groups],
            losses=Losses(
                {what: 100 * accuracy, "probability of the class": 100 * probability},
                "lost without these bands, percentage points",
                [(name, 100 * drop) for name, drop in rows],
                "probability lost, class by class",
            ),
        ),
        caption="Each group of bands is replaced by the training mean, all over the patch. Left: what is "
        f"lost of {what} and of the mean probability of the right class, on {len(pixels):,} pixels, as many "
        "of each class as can be. Right: the lost probability, class by class, in percentage points. A group "
        "that other bands can stand for loses little, however much it is used.",
        tables=(
            Table(
                "In fractions.",
                ("Group of bands", f"Drop in {what}", "Drop in probability"),
                tuple(
                    (group.name, float(accuracy[k]), float(probability[k])) for k, group in enumerate(groups)
                ),
            ),
        ),
    )


def gradcam_routine(subject: Subject) -> Routine | str:
    """Grad-CAM of classes over a window; a sentence where the network has no such features."""
    model = subject.bundle.model
    if subject.scene.points is not None:
        return NO_PLACES
    layer = feature_layer(model.network)
    if layer is None:
        return "the network has no layer of features at each pixel (trees have none): see shap and occlusion"
    shape = (int(subject.reader.grid.shape[0]), int(subject.reader.grid.shape[1]))
    labelled = labelled_pixels(subject.scene, "test").position if subject.pixels.labelled else None
    window = subject.window or busiest_window(labelled, shape)
    check_window(window, model.classes)
    step = subject.steps_of(tiles_of(layer, window), "Grad-CAM")
    maps = class_activation(model.standardize, layer, subject.reader.read, window, step)
    predicted = _predicted(subject, window)
    shown = subject.classes or tuple(
        place for place, land in enumerate(subject.legend) if (predicted == land.id).any()
    )
    names = [subject.legend[place].name for place in shown]
    entries: list[dict[str, Any]] = []
    for place in shown:
        inside, outside = _inside_and_outside(maps[place], predicted == subject.legend[place].id)
        entries.append(
            {
                "id": subject.legend[place].id,
                "name": subject.legend[place].name,
                "inside": rounded([inside])[0],
                "elsewhere": rounded([outside])[0],
            }
        )
    grid = subject.reader.grid[window.slices]
    return Routine(
        name="gradcam",
        title="Grad-CAM: where the features lie that speak for a class",
        says=_said_of_places(entries),
        numbers={
            "network": layer.name,
            "window": {"row": window.row, "col": window.col, "height": window.height, "width": window.width},
            "classes": entries,
        },
        draw=partial(
            draw_activation, classes=subject.legend, predicted=predicted, maps=maps, which=shown
        ),
        caption=f"Grad-CAM of the last features of {layer.name} over {window.height} x {window.width} pixels "
        f"from row {window.row}, column {window.col}, at the resolution of the map: features times the mean "
        "gradient of the window’s logits by them, negative sums left out. Bright: features there speak for "
        "the class.",
        tables=(
            Table(
                "Mean Grad-CAM, in units of the class’s logit.",
                ("Class", "Where it is mapped", "Elsewhere"),
                tuple((one["name"], _cell(one["inside"]), _cell(one["elsewhere"])) for one in entries),
            ),
        ),
        rasters={"gradcam.tif": partial(write_raster, grid=grid, values=maps[list(shown)], names=names)},
    )  # fmt: skip


ROUTINES: Mapping[str, Callable[[Subject], Routine | str]] = {
    "integrated_gradients": integrated_gradients_routine,
    "occlusion": occlusion_routine,
    "gradcam": gradcam_routine,
    "shap": shap_routine,
}
"""By name; each gives what it found, or why it has nothing to say of the model."""


def _group_shares(groups: Sequence[BandGroup], overall: Any) -> list[tuple[str, float]]:
    total = float(overall.sum()) or 1.0
    return [(group.name, float(overall[list(group.places)].sum()) / total) for group in groups]


def _mean_absolute(sums: Mapping[str, Tensor]) -> dict[str, float]:
    """Largest first."""
    found = {name: values.abs().mean().item() for name, values in sums.items()}
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _predicted(subject: Subject, window: Window) -> ClassArray:
    """Class ids (row, col) of a window, with the class shares that the model has learned."""
    classifier = Classifier(subject.bundle)
    ids = np.zeros((window.height, window.width), np.uint8)
    for part in windows_over(window.height, window.width, _PART):
        place = Window(window.row + part.row, window.col + part.col, part.height, part.width)
        ids[part.slices], _ = classifier.classify(subject.reader.read(place, classifier.margin))
    return ids


def _inside_and_outside(values: Any, inside: Any) -> tuple[float, float]:
    known = np.isfinite(values)
    means = [values[known & part] for part in (inside, ~inside)]
    first, second = (float(part.mean()) if len(part) else float("nan") for part in means)
    return first, second


def _cell(value: float | None) -> str | float:
    return NONE if value is None else value


def _said_of_places(entries: Sequence[Mapping[str, Any]]) -> str:
    """For how many classes the features lie where the class is mapped."""
    known = [one for one in entries if None not in (one["inside"], one["elsewhere"])]
    if not known:
        return "No class is mapped in a part of the window only: there is nothing to compare."
    stronger = sum(one["inside"] > one["elsewhere"] for one in known)
    return (
        "Mean Grad-CAM is stronger where a class is mapped than elsewhere in the window for "
        f"{stronger} of {len(known)} classes."
    )


def facts_of(subject: Subject, model: Path | str) -> dict[str, str]:
    """What was explained, for people."""
    card, pixels = subject.bundle.card, subject.pixels
    side = 2 * card.margin + 1
    part = "took part in training without their labels" if card.transductive else "took no part in training"
    drawn = f"test pixels, which {part}" if pixels.labelled else "pixels without labels"
    return {
        "Model": f"{model} ({card.method}, network {card.network.name}), trained on {card.trained_on}",
        "Scene": f"{subject.scene.name} ({'simulated' if subject.scene.simulated else 'real'})",
        "Target sensor": f"{card.target.modality} ({card.target.kind}, "
        f"{counted(len(subject.bands), 'band')})",
        "Pixels": f"{len(pixels):,} {drawn}; each with the {side} x {side} pixels around it",
    }
