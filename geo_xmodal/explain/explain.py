"""`explain_model`: what a trained model looks at, on a scene."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geo_xmodal import bundle
from geo_xmodal.errors import UsageError
from geo_xmodal.explain.explanation import Explanation, Routine
from geo_xmodal.explain.model_routines import NAMES, ROUTINES, Subject, facts_of
from geo_xmodal.explain.outputs import save_explanation
from geo_xmodal.explain.pixels import explained_pixels
from geo_xmodal.mapping import check_fit, target_modality
from geo_xmodal.models import find_model
from geo_xmodal.named_options import option
from geo_xmodal.raster import name_key
from geo_xmodal.requests import ExplainOptions
from geo_xmodal.scenes import Scene
from geo_xmodal.types import LandClass, Progress, Window


def explain_model(
    model: Path | str,
    scene: Scene,
    out: Path | str,
    options: ExplainOptions | None = None,
    *,
    progress: Progress | None = None,
    **given: Any,
) -> Explanation:
    """Say what a trained model looks at, and write figures, a page and explanation.json.

    Numbers are of test pixels, which took no part in training, drawn with the seed: as many of each class as
    can be; of a scene without test labels, of any pixels with the class that the model predicts. Grad-CAM is
    of a window, as a GeoTIFF on the scene's grid.

    Args:
        model: The name of a shipped model, a run folder or a model folder.
        scene: Where it is explained; it needs the model's target sensor.
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
        MemoryShortageError: There is too little memory for so many pixels.
        OutputError: The folder cannot be written.
    """
    asked = ExplainOptions.of(options, given)
    wanted = _wanted(asked.routines)
    loaded = bundle.load(find_model(model))
    if loaded.model.tiling is not None:
        raise UsageError(
            f"{model}: '{loaded.card.method}' sees whole images, and explanations are of patches around "
            "pixels: choose a model on pixels"
        )
    legend = loaded.card.legend
    places = tuple(_class_place(name, legend) for name in asked.classes)
    window = None if asked.window is None else Window(*asked.window)
    fit = check_fit(loaded.card, scene.reader(target_modality(scene, loaded.card)))
    if window is not None:
        _check_window(window, scene)
    pixels = explained_pixels(loaded.model, legend, scene, fit.reader, asked.samples, asked.seed, progress)
    subject = Subject(loaded, scene, fit.reader, pixels, asked.steps, places, window, progress)
    found = {name: ROUTINES[name](subject) for name in wanted}
    left_out = {name: one for name, one in found.items() if isinstance(one, str)}
    if len(left_out) == len(found):
        told = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise UsageError(f"nothing that was asked for applies to the model ({told}): choose other routines")
    explanation = Explanation(
        title=f"{scene.name}: what {loaded.card.method} looks at in {loaded.card.target.modality}",
        about={
            "model": str(model),
            "method": loaded.card.method,
            "network": loaded.card.network.name,
            "scene": scene.name,
            "simulated": scene.simulated,
            "target": loaded.card.target.modality,
            "pixels": len(pixels),
            "pixels_of": "test labels" if pixels.labelled else "predictions",
            "seed": asked.seed,
            "bands": [{"name": band.name, "wavelength": band.wavelength} for band in fit.reader.bands],
        },
        facts=facts_of(subject, model),
        routines=tuple(one for one in found.values() if isinstance(one, Routine)),
        left_out=left_out,
        notes=(*fit.warnings, *(str(one) for one in fit.assumptions)),
    )
    save_explanation(explanation, Path(out))
    return explanation


def _wanted(routines: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The routines that are asked for, in their order."""
    if routines is None:
        return NAMES
    asked = [name.strip() for name in (routines.split(",") if isinstance(routines, str) else routines)]
    unknown = [name for name in asked if name not in NAMES]
    if unknown or not asked:
        raise UsageError(
            f"{option('routines')}: {', '.join(map(repr, unknown)) or 'none'} given; those for a trained "
            f"model are {', '.join(NAMES)}"
        )
    return tuple(name for name in NAMES if name in asked)


def _class_place(name: str, legend: Sequence[LandClass]) -> int:
    for place, land in enumerate(legend):
        if name_key(name) == name_key(land.name) or name.strip() == str(land.id):
            return place
    known = ", ".join(f"{land.id} {land.name}" for land in legend)
    raise UsageError(f"no class {name!r}: the model knows {known}")


def _check_window(window: Window, scene: Scene) -> None:
    rows, cols = scene.grid.shape
    inside = window.row >= 0 and window.col >= 0 and window.height > 0 and window.width > 0
    if not inside or window.row + window.height > rows or window.col + window.width > cols:
        raise UsageError(
            f"window of {window.height} x {window.width} pixels from row {window.row}, column {window.col}: "
            f"expected one inside of the scene's {rows} x {cols} pixels"
        )
