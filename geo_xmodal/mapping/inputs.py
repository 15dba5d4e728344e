"""What mapping asks of an input, and whether a model fits it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Protocol, TypeVar

from odc.geo.geobox import GeoBox

from geo_xmodal.bundle import Card
from geo_xmodal.errors import ModelMismatchError
from geo_xmodal.scenes import Scene
from geo_xmodal.scenes.grid import pixel_size
from geo_xmodal.types import FloatArray, Kind, Window

_RESOLUTION_TOLERANCE = 0.1


class WindowReader(Protocol):
    """A target sensor on a grid: `geo_xmodal.scenes.reader.AlignedReader`, or anything like it.

    It must be picklable and, to be told from another when a map is resumed, a dataclass whose fields say all
    that its values depend on.
    """

    @property
    def grid(self) -> GeoBox:
        """The grid that is mapped."""

    @property
    def kind(self) -> Kind:
        """What the sensor measures; `other` where nobody said."""

    @property
    def band_names(self) -> tuple[str, ...]:
        """One name a band."""

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32, NaN where there is no data or no grid."""


R = TypeVar("R", bound=WindowReader)


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
    lines = []
    if reader.kind != target.kind:
        lines.append(f"the input does not say what it measures: taken to be {target.kind}, as the model is")
    if grid.crs is None:
        lines.append("the input has no CRS: the map is on its pixel grid")
    if card.resolution is not None:
        *sizes, unit = pixel_size(grid)
        if unit != (card.resolution_unit or unit):
            lines.append(
                f"pixel size not checked: the model's is in {card.resolution_unit}, the input's in {unit}"
            )
        elif any(
            abs(size / trained - 1) > _RESOLUTION_TOLERANCE
            for size, trained in zip(sizes, card.resolution, strict=True)
        ):
            lines.append(
                f"pixels are {sizes[0]:.4g} x {sizes[1]:.4g} {unit}, the model was trained on "
                f"{card.resolution[0]:.4g} x {card.resolution[1]:.4g} {unit}: expect a worse map, "
                "or align the input to that size first"
            )
    return lines


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


def with_full_paths(reader: R) -> R:
    """The same reader, readable from any working folder: workers may run elsewhere."""
    paths = {name: value.resolve() for name, value in _fields(reader).items() if isinstance(value, Path)}
    return dataclasses.replace(reader, **paths) if paths else reader  # type: ignore[type-var]


def files_of(reader: WindowReader) -> list[Path]:
    """The files that a reader names."""
    return [value.resolve() for value in _fields(reader).values() if isinstance(value, Path)]


def identity_of(reader: WindowReader) -> dict[str, str]:
    """What the values of a reader depend on, for comparison: its fields, and its files' size and time."""
    identity = {f"input {name}": _text(value) for name, value in _fields(reader).items()}
    identity["grid"] = _text(reader.grid)
    for path in files_of(reader):
        if path.exists():
            stat = path.stat()
            identity[f"size of {path}"] = str(stat.st_size)
            identity[f"time of {path}"] = str(stat.st_mtime_ns)
    return identity


def _fields(reader: WindowReader) -> dict[str, object]:
    if not dataclasses.is_dataclass(reader):
        return {}
    return {field.name: getattr(reader, field.name) for field in dataclasses.fields(reader)}


def _text(value: object) -> str:
    if isinstance(value, GeoBox):
        crs = "no CRS" if value.crs is None else value.crs.to_wkt()
        return f"{value.shape[0]} x {value.shape[1]} {tuple(value.affine)[:6]} {crs}"
    return str(value.resolve() if isinstance(value, Path) else value)


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
