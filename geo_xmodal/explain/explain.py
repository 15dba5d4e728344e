"""`explain_model`: what a model looks at, on a scene; of a pretraining run, what its sensors share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from geo_xmodal import bundle
from geo_xmodal.errors import ModelMismatchError, UsageError
from geo_xmodal.explain import model_routines, pretrained_routines
from geo_xmodal.explain.explanation import Explanation, Routine
from geo_xmodal.explain.model_routines import Subject
from geo_xmodal.explain.outputs import save_explanation
from geo_xmodal.explain.pixels import explained_pixels, paired_positions
from geo_xmodal.explain.pretrained_routines import Pair, View
from geo_xmodal.mapping import check_fit
from geo_xmodal.mapping.inputs import bands_for
from geo_xmodal.models import find_model
from geo_xmodal.named_options import option
from geo_xmodal.pretrained import PretrainedSensor, is_pretraining, load_pretrained
from geo_xmodal.raster import Adaptation, WindowReader, name_key
from geo_xmodal.requests import ExplainOptions
from geo_xmodal.samples import read_patches
from geo_xmodal.scenes import Scene, find_modality
from geo_xmodal.types import IntArray, LandClass, Progress, Window


def explain_model(
    model: Path | str,
    scene: Scene,
    out: Path | str,
    options: ExplainOptions | None = None,
    *,
    progress: Progress | None = None,
    **given: Any,
) -> Explanation:
    """Say what a model looks at, and write figures, a page and explanation.json.

    Of a trained model, numbers are of test pixels, which took no part in training, drawn with the seed: as
    many of each class as can be; of a scene without test labels, of any pixels with the class that the model
    predicts. Grad-CAM is of a window, as a GeoTIFF on the scene's grid.

    Of a pretraining run, it says what its two sensors share: on pixels that both have, test pixels where
    there are such, near which nothing was pretrained.

    Args:
        model: The name of a shipped model, a run folder, a model folder, or a pretraining run.
        scene: Where it is explained; it needs the model's target sensor, or both sensors of the run.
        out: The folder that is written.
        options: How.
        progress: Told of steps.
        **given: Fields of `ExplainOptions` by name, over those of `options`.

    Raises:
        UsageError: There is no such routine or class, the window lies outside of the scene, or nothing that
            is asked for applies to the model.
        BundleError: The model cannot be loaded.
        ModelMismatchError: It was made for other data than the scene has.
        LabelError: The scene's test labels are of none of the model's classes.
        TrainingDataError: Both sensors of a pretraining run have data at none of the pixels.
        MemoryShortageError: There is too little memory for so many pixels.
        OutputError: The folder cannot be written.
    """
    asked = ExplainOptions.of(options, given)
    window = None if asked.window is None else _window(asked.window, scene)
    if is_pretraining(Path(model)):
        explanation = _of_pretraining(Path(model), scene, asked, window, progress)
    else:
        explanation = _of_model(model, scene, asked, window, progress)
    save_explanation(explanation, Path(out))
    return explanation


def _of_model(
    model: Path | str, scene: Scene, asked: ExplainOptions, window: Window | None, progress: Progress | None
) -> Explanation:
    wanted = _wanted(asked.routines, model_routines.NAMES, "a trained model")
    loaded = bundle.load(find_model(model))
    if loaded.model.tiling is not None:
        raise UsageError(
            f"{model}: '{loaded.card.method}' sees whole images, and explanations are of patches around "
            "pixels: choose a model on pixels"
        )
    card, legend = loaded.card, loaded.card.legend
    places = tuple(_class_place(name, legend) for name in asked.classes)
    fit = check_fit(card, scene.reader(_modality(card.target, scene)))
    pixels = explained_pixels(loaded.model, legend, scene, fit.reader, asked.samples, asked.seed, progress)
    subject = Subject(loaded, scene, fit.reader, pixels, asked.steps, places, window, progress)
    found, left_out = _parted({name: model_routines.ROUTINES[name](subject) for name in wanted})
    return Explanation(
        title=f"{scene.name}: what {card.method} looks at in {card.target.modality}",
        about={
            "model": str(model),
            "method": card.method,
            "network": card.network.name,
            "scene": scene.name,
            "simulated": scene.simulated,
            "target": card.target.modality,
            "pixels": len(pixels),
            "pixels_of": "test labels" if pixels.labelled else "predictions",
            "seed": asked.seed,
            "bands": [{"name": band.name, "wavelength": band.wavelength} for band in fit.reader.bands],
        },
        facts=model_routines.facts_of(subject, model),
        routines=found,
        left_out=left_out,
        notes=(*fit.warnings, *(str(one) for one in fit.assumptions)),
    )


def _of_pretraining(
    run: Path, scene: Scene, asked: ExplainOptions, window: Window | None, progress: Progress | None
) -> Explanation:
    wanted = _wanted(asked.routines, pretrained_routines.NAMES, "a pretraining run")
    if asked.classes:
        raise UsageError(f"{option('class')}: a pretraining run knows no classes: leave it out")
    pretrained = load_pretrained(run)
    if (pretrained.card.training.get("options") or {}).get("image"):
        raise UsageError(
            f"{run} was pretrained on whole images, and explanations are of patches around pixels: choose a "
            "run without image"
        )
    readers = [_reader_of(one, scene) for one in pretrained.sensors]
    position = paired_positions(scene, readers, asked.samples, asked.seed)
    views = [
        View(one, reader, _patches(one, reader, position, progress))
        for one, reader in zip(pretrained.sensors, readers, strict=True)
    ]
    pair = Pair(
        pretrained,
        (views[0], views[1]),
        position,
        scene.points is not None,
        asked.steps,
        window,
        asked.seed,
        progress,
    )
    found, left_out = _parted({name: pretrained_routines.ROUTINES[name](pair) for name in wanted})
    card = pretrained.card
    return Explanation(
        title=f"{scene.name}: what {views[0].name} and {views[1].name} share",
        about={
            "model": str(run),
            "method": card.method,
            "scene": scene.name,
            "simulated": scene.simulated,
            "sensors": [view.name for view in views],
            "dimensions": card.dimensions,
            "common": card.common,
            "pixels": len(position),
            "seed": asked.seed,
        },
        facts=pretrained_routines.facts_of(pair, scene.name, scene.simulated, run),
        routines=found,
        left_out=left_out,
        notes=("pixels under test labels took part in the pretraining",) if card.transductive else (),
    )


def _reader_of(sensor: PretrainedSensor, scene: Scene) -> WindowReader:
    """The sensor of a scene that an encoder was pretrained for, its bands in the encoder's order."""
    reader = scene.reader(_modality(sensor.entry, scene))
    places, _ = bands_for(sensor.entry.statistics.bands, reader)
    return reader.adapted(Adaptation(bands=places, kind=sensor.entry.kind))


def _modality(entry: bundle.TargetEntry, scene: Scene) -> str:
    """The sensor of a scene that a model was made for; of points, too, which make no map."""
    name = find_modality(scene, entry.modality, entry.kind)
    if name is None:
        raise ModelMismatchError(
            f"scene {scene.name} has {', '.join(scene.config.modalities)}; the model was made for "
            f"{entry.modality} ({entry.kind}): choose a scene that has it"
        )
    return name


def _patches(
    sensor: PretrainedSensor, reader: WindowReader, position: IntArray, progress: Progress | None
) -> Tensor:
    raw = read_patches(reader, position, sensor.encoder.margin, progress)
    with torch.no_grad():
        return cast(Tensor, sensor.standardize(torch.from_numpy(raw)))


def _parted(found: Mapping[str, Routine | str]) -> tuple[tuple[Routine, ...], dict[str, str]]:
    """What routines found, and why others have nothing to say.

    Raises:
        UsageError: None has.
    """
    left_out = {name: one for name, one in found.items() if isinstance(one, str)}
    if len(left_out) == len(found):
        told = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise UsageError(f"nothing that was asked for applies to the model ({told}): choose other routines")
    return tuple(one for one in found.values() if isinstance(one, Routine)), left_out


def _wanted(routines: str | tuple[str, ...] | None, names: Sequence[str], what: str) -> tuple[str, ...]:
    """The routines that are asked for, in their order."""
    if routines is None:
        return tuple(names)
    asked = [name.strip() for name in (routines.split(",") if isinstance(routines, str) else routines)]
    unknown = [name for name in asked if name not in names]
    if unknown or not asked:
        raise UsageError(
            f"{option('routines')}: {', '.join(map(repr, unknown)) or 'none'} given; those for {what} are "
            f"{', '.join(names)}"
        )
    return tuple(name for name in names if name in asked)


def _class_place(name: str, legend: Sequence[LandClass]) -> int:
    for place, land in enumerate(legend):
        if name_key(name) == name_key(land.name) or name.strip() == str(land.id):
            return place
    known = ", ".join(f"{land.id} {land.name}" for land in legend)
    raise UsageError(f"no class {name!r}: the model knows {known}")


def _window(given: tuple[int, int, int, int], scene: Scene) -> Window:
    rows, cols = scene.grid.shape
    window = Window(*given)
    inside = min(given) >= 0 and window.height > 0 and window.width > 0
    if not inside or window.row + window.height > rows or window.col + window.width > cols:
        raise UsageError(
            f"{option('window')}: {window.height} x {window.width} pixels from row {window.row}, column "
            f"{window.col}; expected a window inside of the scene's {rows} x {cols} pixels"
        )
    return window
