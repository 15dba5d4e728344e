"""A folder with a QGIS project that can be zipped and mailed: maps, sensors, labels, styles, print layout."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from geo_xmodal.errors import SceneError
from geo_xmodal.export.class_map import ClassMap, read_class_map
from geo_xmodal.export.layout import PrintLayout, layout
from geo_xmodal.export.model_text import paragraphs
from geo_xmodal.export.project import (
    LayerGroup,
    Project,
    ProjectLayer,
    extent_of,
    write_qgz,
)
from geo_xmodal.export.sensor_styles import sensor_style
from geo_xmodal.mapping import qml
from geo_xmodal.mapping.attribute_table import (
    NO_CLASS,
    class_side_car,
    statistics_side_car,
)
from geo_xmodal.mapping.geotiff import RasterLayer, legend_tag, write_cog
from geo_xmodal.mapping.layers import NO_PROBABILITY
from geo_xmodal.mapping.outputs import side_car, style_file
from geo_xmodal.outputs import new_folder
from geo_xmodal.raster import AlignedReader, aligned_reader, grid_over, pixel_size
from geo_xmodal.scenes import Scene, Side, sensor_layer, write_layers
from geo_xmodal.types import ClassArray, Progress, Window, windows_over

PROJECT = "project"
_MAP, _PROBABILITY, _SENSORS, _LABELS = "map.tif", "map_probability.tif", "sensors", "labels"
_WINDOW = 1024
_MARGIN = 0.03
_LONGEST_NAME = 32
"""Characters of a class name in the printed legend."""

_TO_MAIL = 25 << 20
"""Bytes that mail servers commonly take."""


@dataclass(frozen=True)
class ExportedProject:
    """A folder that QGIS opens.

    Attributes:
        out: The folder.
        project: Its `.qgz`.
        layers: Names of the layers, from the top.
        warnings: Lines that the user should see.
    """

    out: Path
    project: Path
    layers: tuple[str, ...]
    warnings: tuple[str, ...]


def export_qgis(
    map_file: Path | str,
    out: Path | str,
    *,
    scene: Scene | None = None,
    run: Path | str | None = None,
    classes: Path | str | None = None,
    progress: Progress | None = None,
) -> ExportedProject:
    """Write a map as a folder with a QGIS project, whose paths are relative.

    The same map, scene and run give the same bytes.

    Args:
        map_file: A class map; its probability is taken from beside it.
        out: The folder; must not exist, or be empty.
        scene: Its sensors and labels are added. Files that are missing are left out, with a warning.
        run: The run folder of the map's model, or a folder of `evaluate`: the layout quotes its accuracy.
        classes: TOML file with `[[classes]]` that names the values of a map of another program.
        progress: Told of every step.

    Raises:
        RasterError: The map, or a sensor's file, cannot be read.
        UsageError: `run` has no accuracy to tell, or is of another model.
        SceneError: The scene has no classes for its labels.
        LabelError, VectorError: The scene's labels cannot be read.
        OutputError: The folder is in the way, or cannot be written.
    """
    map_file, out = Path(map_file), Path(out)
    run = None if run is None else Path(run)
    made = read_class_map(map_file, progress, None if classes is None else Path(classes))
    text = paragraphs(made, run)
    warnings = list(made.notes)
    with new_folder(out) as folder:
        maps = list(_maps(made, folder))
        groups = [LayerGroup("Map", maps)]
        if scene is not None:
            labels = list(_labels(scene, folder, progress))
            sensors = list(_sensors(scene, folder, warnings, progress))
            groups = [LayerGroup("Labels", labels), *groups, LayerGroup("Sensors", sensors)]
        groups = [group for group in groups if group.layers]
        place = map_file.stem if scene is None else scene.name
        content = _project(made, maps[0], groups, text, f"Land cover: {place}")
        (folder / f"{PROJECT}.qgz").write_bytes(write_qgz(content, PROJECT))
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if size > _TO_MAIL:
        warnings.append(f"{out} holds {size / 1e6:.0f} MB, more than most mail servers take")
    names = tuple(layer.name for layer in content.layers)
    return ExportedProject(out, out / f"{PROJECT}.qgz", names, tuple(warnings))


def _project(
    made: ClassMap, layer: ProjectLayer, groups: Sequence[LayerGroup], text: Sequence[str], title: str
) -> Project:
    extent = extent_of(made.grid, _MARGIN)
    _, step, _ = pixel_size(made.grid)
    printed = PrintLayout(
        title=title,
        subtitle=_subtitle(made),
        extent=extent,
        layer=layer,
        legend=_legend(made),
        text=text,
        georeferenced=made.grid.crs is not None,
        width=step * made.grid.shape[1] * (1 + 2 * _MARGIN),
    )
    return Project(
        title=title,
        crs=made.grid.crs,
        extent=extent,
        groups=groups,
        layouts=(layout(printed),),
        abstract="\n".join(text),
    )


def _subtitle(made: ClassMap) -> str:
    sensor = f", mapped from {made.tags['TARGET']}" if "TARGET" in made.tags else ""
    return f"{len(made.legend)} classes{sensor}; percent of the {made.counts.shares_of}"


def _legend(made: ClassMap) -> list[str]:
    """Each class with its share of the area that has one."""
    shares = made.counts.shares
    shown = sorted(made.legend, key=lambda entry: entry.id)
    return [f"{_short(entry.name)}  {shares[entry.id]:.1%}" for entry in shown]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _maps(made: ClassMap, folder: Path) -> Iterator[ProjectLayer]:
    classes = folder / _MAP
    shutil.copyfile(made.path, classes)
    side_car(classes).write_bytes(class_side_car(made.legend, made.counts))
    renderer = qml.paletted(made.legend)
    style_file(classes).write_bytes(qml.style(renderer))
    yield ProjectLayer("Land cover", _MAP, made.grid, renderer)
    if made.probability is not None and made.percents is not None:
        probability = folder / _PROBABILITY
        shutil.copyfile(made.probability, probability)
        side_car(probability).write_bytes(statistics_side_car([made.percents], NO_PROBABILITY))
        renderer = qml.ramp(qml.PROBABILITY_RAMP)
        style_file(probability).write_bytes(qml.style(renderer))
        yield ProjectLayer("Probability of the class", _PROBABILITY, made.grid, renderer, visible=False)


def _labels(scene: Scene, folder: Path, progress: Progress | None) -> Iterator[ProjectLayer]:
    """Training and test labels as training sees them: on the scene's grid, whatever file they come from."""
    both: tuple[Side, Side] = ("test", "train")
    splits = [split for split in both if scene.has_labels(split)]
    if splits and not scene.classes:
        raise SceneError(f"{scene.folder}: labels but no [[classes]]: add them to scene.toml")
    for done, split in enumerate(splits, start=1):
        (folder / _LABELS).mkdir(exist_ok=True)
        name = f"{_LABELS}/{split}.tif"
        layer = RasterLayer(
            NO_CLASS, "MODE", f"{split} labels", scene.classes, dict(legend_tag(scene.classes))
        )
        write_cog(folder / name, scene.grid, layer, _LabelBlocks(scene, split))
        renderer = qml.paletted(scene.classes)
        style_file(folder / name).write_bytes(qml.style(renderer))
        title = "Test labels" if split == "test" else "Training labels"
        yield ProjectLayer(title, name, scene.grid, renderer, visible=False, expanded=False)
        if progress is not None:
            progress(done, len(splits), "labels")


@dataclass(frozen=True)
class _LabelBlocks:
    scene: Scene
    split: Side

    def __iter__(self) -> Iterator[tuple[Window, ClassArray]]:
        height, width = self.scene.grid.shape
        for window in windows_over(height, width, _WINDOW):
            yield window, self.scene.read_labels(self.split, window)


def _sensors(
    scene: Scene, folder: Path, warnings: list[str], progress: Progress | None
) -> Iterator[ProjectLayer]:
    """The sensors' files as they are, the one that maps are made from first."""
    names = [scene.target, *scene.auxiliary_modalities]
    for done, name in enumerate(names, start=1):
        if name in scene.missing_modalities:
            warnings.append(f"sensor {name} is left out: {scene.modality(name).named} is not there")
            continue
        (folder / _SENSORS).mkdir(exist_ok=True)
        file = f"{_SENSORS}/{_file_name(name)}.tif"
        if (folder / file).exists():
            file = f"{_SENSORS}/{_file_name(name)}-{done}.tif"
        modality = scene.modality(name)
        reader, nodata = scene.reader(name), modality.nodata
        if isinstance(reader, AlignedReader):
            shutil.copyfile(reader.path, folder / file)
        else:
            write_layers([sensor_layer(file, reader)], folder, scene.grid)
            reader, nodata = aligned_reader(folder / file, kind=reader.kind), None
        renderer = sensor_style(reader).renderer()
        style_file(folder / file).write_bytes(qml.style(renderer))
        yield ProjectLayer(
            f"{name} ({modality.kind})",
            file,
            grid_over(reader.source),
            renderer,
            expanded=False,
            nodata=nodata,
            about=modality.sensor,
        )
        if progress is not None:
            progress(done, len(names), "sensors")


def _file_name(name: str) -> str:
    """A modality's name as every file system takes it."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60] or "sensor"
