"""From scenes and maps to layers of the viewer: which file, which bands, stretched how, in which colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
from odc.geo.geobox import GeoBox

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal.types import Kind, LandClass
from geo_xmodal_app.copies import Copying, prepared, prepared_labels, prepared_values, small_pixels
from geo_xmodal_app.registry import registry
from geo_xmodal_app.remarks import remark
from geo_xmodal_app.texts import plain
from geo_xmodal_app.viewer.areas import class_areas
from geo_xmodal_app.viewer.component import band_presets
from geo_xmodal_app.viewer.layer import Layer
from geo_xmodal_app.workspace import MapEntry

_PERCENTILES = gx.KINDS["other"].display.stretch
ROUTINE_TITLES = {
    "integrated_gradients": "Integrated Gradients",
    "occlusion": "Occlusion",
    "gradcam": "Grad-CAM",
    "shap": "SHAP",
}
"""Routines of an explanation as papers write them."""
_MANY_BANDS = 8
_PERCENT = 0.01

Stretch = tuple[float, float]


@dataclass(frozen=True)
class Prepared:
    """Layers that can be shown, and what there is to say of those that cannot.

    Attributes:
        layers: Top first.
        waiting: Title and share of those whose copy is being made.
        problems: One line each.
    """

    layers: tuple[Layer, ...] = ()
    waiting: tuple[tuple[str, float], ...] = ()
    problems: tuple[str, ...] = ()

    def __add__(self, other: Prepared) -> Prepared:
        return Prepared(
            self.layers + other.layers, self.waiting + other.waiting, self.problems + other.problems
        )


def map_layers(session: str, entry: MapEntry, title: str, *, visible: bool = True) -> Prepared:
    """The classes of a map with their areas, and the probability of the class where the map has one."""
    found = Prepared()
    probability = None
    if entry.probability is not None:
        words = f"{title}: probability"
        show = partial(_probability_layer, session, entry.id, words)
        found = _shown(words, partial(prepared, session, entry.probability), show)
        probability = found.layers[0].id if found.layers else None
    show = partial(_class_layer, session, entry, title, probability, visible)
    return _shown(title, partial(prepared, session, entry.classes, classes=True), show) + found


def scene_layers(session: str, scene: gx.Scene, *, visible: bool = False) -> Prepared:
    """The labels of a scene, then every sensor whose file is there, the target first.

    Args:
        session: Whose page it is.
        scene: What is shown.
        visible: The target sensor is; all else is there to be switched on.
    """
    found = Prepared()
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    for split in splits:
        if scene.has_labels(split):
            title = "Training labels" if split == "train" else "Test labels"
            show = partial(_label_layer, session, scene.classes, split, title)
            found += _shown(title, partial(prepared_labels, session, scene, split), show)
    for name in (scene.target, *scene.auxiliary_modalities):
        if name in scene.missing_modalities:
            found += Prepared(problems=(f"{name}: its file is not there",))
            continue
        show = partial(_sensor_layer, session, scene, name, visible and name == scene.target)
        found += _shown(name.upper(), partial(_sensor_copy, session, scene, name), show)
    return found


def target_file(scene: gx.Scene) -> gx.RasterInfo:
    """The file of a scene's target sensor, or the first of several: in the scene's CRS.

    Raises:
        RasterError: It cannot be read.
    """
    return gx.describe_raster(scene.path(scene.target) or scene.reader(scene.target).files[0])


def file_layer(session: str, path: Path, title: str, kind: Kind) -> Prepared:
    """A sensor's file by itself, switched off at first."""
    return _shown(title, partial(prepared, session, path), partial(_file_layer, session, path, title, kind))


def background_layer(session: str, path: Path, title: str, grid: GeoBox) -> Prepared:
    """A GeoTIFF as a background: on its own grid, or on `grid` where it has another CRS than that."""

    def copied() -> Copying:
        if gx.describe_raster(path).grid.crs == grid.crs:
            return prepared(session, path)
        return prepared_values(session, gx.aligned_reader(path, grid=grid))

    def show(shown: Path) -> Layer:
        layer = _file_layer(session, path, title, "other", shown)
        return replace(layer, id="background", visible=True)

    return _shown(title, copied, show)


def explanation_layers(session: str, run: str, maps: Sequence[Path]) -> Prepared:
    """Where a model looks: the maps of its explanation, each a band a class, of which the first is shown.

    Args:
        session: Whose page it is.
        run: What the run is called.
        maps: GeoTIFFs of the explanation.
    """
    found = Prepared()
    for path in maps:
        title = f"{run}: {ROUTINE_TITLES.get(path.stem, path.stem)}, by class"
        show = partial(_attribution_layer, session, path, title)
        found += _shown(title, partial(prepared, session, path), show)
    return found


def _attribution_layer(session: str, path: Path, title: str, shown: Path) -> Layer:
    layer = _file_layer(session, path, title, "other", shown)
    return replace(layer, id=f"explanation-{path.stem}", shown_bands=(0,), visible=True)


def _file_layer(session: str, path: Path, title: str, kind: Kind, shown: Path) -> Layer:
    given, stat, known = gx.describe_raster(path), shown.stat(), gx.KINDS[kind]
    waves = given.wavelengths or ()
    return Layer(
        id="file",
        title=title,
        url=_url(session, shown),
        kind="continuous",
        bands=given.band_names,
        wavelengths=waves,
        stretch=stretches(
            shown, stat.st_size, stat.st_mtime_ns, decibel=False, percentiles=known.display.stretch
        ),
        shown_bands=first_bands(kind, given.band_names, waves),
        nodata=_meaningless(gx.describe_raster(shown).nodata),
        unit="" if known.power else known.unit,
        visible=False,
    )


def _shown(title: str, prepare: Callable[[], Copying], show: Callable[[Path], Layer]) -> Prepared:
    try:
        copying = prepare()
        if copying.ready:
            return Prepared((show(copying.out),))
    except GeoXmodalError as error:
        return Prepared(problems=(f"{title}: {plain(str(error))}",))
    if copying.problem is not None:
        return Prepared(problems=(f"{title}: {plain(copying.problem)}",))
    return Prepared(waiting=((title, copying.share),))


def _class_layer(
    session: str, entry: MapEntry, title: str, probability: str | None, visible: bool, path: Path
) -> Layer:
    legend, date = map_legend(entry.classes), remark(entry.folder).date
    return Layer(
        id=f"map-{entry.id}",
        title=title,
        url=_url(session, path),
        kind="classes",
        classes=legend,
        bands=("class",),
        nodata=0,
        probability=probability,
        areas=class_areas(entry.classes, legend),
        date="" if date is None else date.isoformat(),
        visible=visible,
    )


def map_legend(path: Path) -> tuple[LandClass, ...]:
    """Classes and colours that a map carries.

    Raises:
        RasterError: It carries none.
    """
    with gx.open_raster(path) as dataset:
        return gx.read_legend(dataset)


def map_assumptions(path: Path) -> tuple[str, ...]:
    """What a map says was taken for granted about its input.

    Raises:
        RasterError: It cannot be read.
    """
    with gx.open_raster(path) as dataset:
        return gx.read_assumptions(dataset)


def _probability_layer(session: str, map_id: str, title: str, path: Path) -> Layer:
    return Layer(
        id=f"probability-{map_id}",
        title=title,
        url=_url(session, path),
        kind="probability",
        bands=("probability",),
        stretch=((0.0, 100.0),),
        shown_bands=(0,),
        nodata=255,
        scale=_PERCENT,
        visible=False,
    )


def _label_layer(session: str, classes: tuple[LandClass, ...], split: str, title: str, path: Path) -> Layer:
    return Layer(
        id=f"labels-{split}",
        title=title,
        url=_url(session, path),
        kind="labels",
        classes=classes,
        bands=("class",),
        nodata=0,
        visible=False,
    )


def _sensor_copy(session: str, scene: gx.Scene, name: str) -> Copying:
    """The sensor's one file if it has the scene's CRS (the browser warps nothing), else on its grid."""
    path = scene.path(name)
    if path is not None and gx.describe_raster(path).grid.crs == scene.grid.crs:
        return prepared(session, path)
    return prepared_values(session, scene.reader(name))


def _sensor_layer(session: str, scene: gx.Scene, name: str, visible: bool, path: Path) -> Layer:
    modality = scene.modality(name)
    shown = gx.describe_raster(path)
    file = scene.path(name)
    given = None if file is None else gx.describe_raster(file)
    # A copy on the scene's grid holds the bands that the scene uses, in linear power.
    copied = given is None or (shown.count, shown.grid) != (given.count, given.grid)
    if given is None or copied:
        bands = scene.reader(name).bands
        names, known = tuple(band.name for band in bands), [band.wavelength for band in bands]
        waves = () if None in known else tuple(known)
    else:
        names, waves = given.band_names, given.wavelengths or ()
    kind = gx.KINDS[modality.kind]
    decibel = kind.power and (copied or modality.scale == "linear")
    stat = path.stat()
    return Layer(
        id=f"sensor-{name}",
        title=name.upper(),
        url=_url(session, path),
        kind="continuous",
        bands=names,
        wavelengths=waves,
        decibel=decibel,
        stretch=stretches(
            path, stat.st_size, stat.st_mtime_ns, decibel, modality.nodata, kind.display.stretch
        ),
        shown_bands=first_bands(modality.kind, names, waves),
        nodata=_meaningless(shown.nodata if modality.nodata is None or copied else modality.nodata),
        unit="dB" if kind.power else kind.unit,
        visible=visible,
    )


def _meaningless(value: float | None) -> float | None:
    """The value that means "no data"; NaN needs no saying, and JSON could not say it."""
    return None if value is None or math.isnan(value) else value


@lru_cache(maxsize=128)
def stretches(
    path: Path,
    size: int,
    changed: int,
    decibel: bool,
    nodata: float | None = None,
    percentiles: Stretch = _PERCENTILES,
) -> tuple[Stretch, ...]:
    """Two percentiles of every band, from its overview; in dB where `decibel`.

    Args:
        path: A raster with overviews, or a small one.
        size: Of the file, and `changed` its time of change: what is kept is of one content.
        changed: In nanoseconds.
        decibel: The file holds linear power.
        nodata: Value without meaning beside the file's own.
        percentiles: Lower and upper.
    """
    with gx.open_raster(path) as dataset:
        count = dataset.count
    values = small_pixels(path, tuple(range(1, count + 1)), side=512 if count <= _MANY_BANDS else 128)
    if nodata is not None:
        values[values == np.float32(nodata)] = np.nan
    if decibel:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values > 0, 10 * np.log10(values), np.nan)
    return tuple(_stretch(band, percentiles) for band in values)


def _stretch(band: np.ndarray, percentiles: Stretch) -> Stretch:
    finite = band[np.isfinite(band)]
    if not len(finite):
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, percentiles))
    return (low, high) if high > low else (low, low + max(abs(low), 1.0) * 1e-3)


def first_bands(
    kind: Kind, names: Sequence[str], wavelengths: Sequence[float | None] = ()
) -> tuple[int, ...]:
    """Bands (from 0) to show at first as red, green and blue, or one band alone."""
    presets = band_presets(wavelengths)
    return tuple(presets[0][1]) if presets else gx.KINDS[kind].display.shown(len(names))


def _url(session: str, path: Path) -> str:
    return f"/files/{registry().register(session, path, 'raster')}"
