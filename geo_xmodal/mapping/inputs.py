"""Whether a model fits an input."""

from __future__ import annotations

import math

from odc.geo.geobox import GeoBox

from geo_xmodal.bundle import Card
from geo_xmodal.errors import ModelMismatchError
from geo_xmodal.scenes import Scene
from geo_xmodal.scenes.embedding import product_in
from geo_xmodal.scenes.grid import pixel_size
from geo_xmodal.scenes.window_reader import WindowReader

_RESOLUTION_TOLERANCE = 0.1


def check_fit(card: Card, reader: WindowReader, grid: GeoBox) -> list[str]:
    """Whether a model can map an input.

    Returns:
        Lines that the user should see: what is doubtful, or could not be checked.

    Raises:
        ModelMismatchError: If the number of bands or the kind of sensor is not what the model was made for.
    """
    target = card.target
    expected = len(target.statistics.bands)
    if len(reader.band_names) != expected:
        raise ModelMismatchError(
            f"the input has {len(reader.band_names)} bands ({_few(reader.band_names)}), the model was made "
            f"for {expected} of {target.modality} ({_few(target.statistics.bands)}): "
            "choose the input's bands, or another model"
        )
    if reader.kind not in ("other", target.kind):
        raise ModelMismatchError(
            f"the input is {reader.kind}, the model was made for {target.kind} ({target.modality}): "
            "give that sensor, or another model"
        )
    made_for = product_in(target.sensor)
    if reader.product is not None and made_for is not None and reader.product.contradicts(made_for):
        raise ModelMismatchError(
            f"the input holds features of {reader.product}, the model was made for {made_for}: "
            "give those, or another model"
        )
    lines = []
    if reader.kind != target.kind:
        lines.append(f"the input does not say what it measures: taken to be {target.kind}, as the model is")
    if grid.crs is None:
        lines.append("the input has no CRS: the map is on its pixel grid")
    if card.resolution is not None and resolution_ratio(card, grid) is None:
        unit = pixel_size(grid)[2]
        lines.append(
            f"pixel size not checked: the model's is in {card.resolution_unit}, the input's in {unit}"
        )
    elif differs(card, grid):
        lines.append(
            f"pixels are {size_text(grid)}, the model was trained on {model_size_text(card)}: expect a worse "
            "map, or have them resampled to that size"
        )
    return lines


def resolution_ratio(card: Card, grid: GeoBox) -> tuple[float, float] | None:
    """How many rows and columns of a grid make one of the model's pixels; None where nobody can tell."""
    if card.resolution is None:
        return None
    rows, cols, unit = pixel_size(grid)
    if unit != (card.resolution_unit or unit):
        return None
    return card.resolution[0] / rows, card.resolution[1] / cols


def differs(card: Card, grid: GeoBox) -> bool:
    """Whether pixels are of another size than the model's, by more than a tenth."""
    ratio = resolution_ratio(card, grid)
    return ratio is not None and any(abs(1 / one - 1) > _RESOLUTION_TOLERANCE for one in ratio)


def size_text(grid: GeoBox) -> str:
    """Size of a grid's pixels, for a message."""
    rows, cols, unit = pixel_size(grid)
    return f"{rows:.4g} x {cols:.4g} {unit}"


def model_size_text(card: Card) -> str:
    """Size of the pixels that a model was trained on, for a message."""
    rows, cols = card.resolution or (math.nan, math.nan)
    return f"{rows:.4g} x {cols:.4g} {card.resolution_unit}".strip()


def target_modality(scene: Scene, card: Card) -> str:
    """The scene's sensor that a model was made for: by name, else the only one of its kind.

    Raises:
        ModelMismatchError: The scene has none, or several of the kind.
    """
    if card.target.modality in scene.config.modalities:
        return card.target.modality
    alike = [name for name, one in scene.config.modalities.items() if one.kind == card.target.kind]
    if len(alike) == 1:
        return alike[0]
    raise ModelMismatchError(
        f"scene {scene.name} has {', '.join(scene.config.modalities)}; the model maps from "
        f"{card.target.modality} ({card.target.kind}): map another scene, or a file with --input"
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
