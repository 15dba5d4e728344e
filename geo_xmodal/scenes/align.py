"""Files of any CRS and resolution to a scene folder on one grid."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal, get_args

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from geo_xmodal.errors import AlignmentError, LabelError, UsageError
from geo_xmodal.kinds import KINDS, Kind, guess_kind
from geo_xmodal.named_options import option
from geo_xmodal.outputs import new_folder
from geo_xmodal.raster import (
    AssignedCrs,
    ReadOptions,
    Source,
    VectorHints,
    WarpGcps,
    checked_values,
    class_table,
    control_points,
    crs_of_file,
    described,
    file_and_rest,
    is_address,
    is_raster,
    label_place,
    name_key,
    north_up,
    open_source,
    survey_labels,
)
from geo_xmodal.scenes.config import (
    ClassConfig,
    LabelsConfig,
    SceneConfig,
    SplitConfig,
    parse_config,
    read_classes,
    write_config,
)
from geo_xmodal.scenes.label_summary import LabelFile, LabelTally, summary_tag
from geo_xmodal.scenes.labelled import all_labelled
from geo_xmodal.scenes.layers import Layer, check_data, sensor_layer, write_layers
from geo_xmodal.scenes.legend import color_table, legend_of
from geo_xmodal.scenes.reclass import Reclass, check_reclass, reclassed
from geo_xmodal.scenes.scene import Scene, Split, open_scene
from geo_xmodal.scenes.sensors import written_place
from geo_xmodal.scenes.splits import default_split
from geo_xmodal.small_files import real_path
from geo_xmodal.types import ClassArray, LandClass, Progress, Window

Scale = Literal["linear", "db"]

_LABEL_SIDE = 1024
"""Of the windows that labels are read in: a band of bytes is little."""

Given = Path | str | Sequence[Path | str]
"""A sensor as a person names it: a file, a folder, a list or an address, or several."""


@dataclass(frozen=True)
class _LabelInput:
    split: Split
    files: tuple[LabelFile, ...]

    @property
    def names(self) -> str:
        return ", ".join(str(file.path) for file in self.files)


def align_scene(
    out: Path | str,
    *,
    reference: Given,
    modalities: Mapping[str, Given],
    labels: Mapping[str, Given] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    bands: Mapping[str, Sequence[int | str]] | None = None,
    scale: Scale | None = None,
    classes: Path | str | None = None,
    reclass: Reclass | None = None,
    unlabelled: Collection[str] | None = None,
    assign_crs: AssignedCrs | None = None,
    coordinates: tuple[str, str] | None = None,
    name: str | None = None,
    warp_gcps: WarpGcps | None = None,
    copy: bool = False,
    progress: Progress | None = None,
) -> Scene:
    """Make a scene folder of sensors of any CRS and resolution, on the grid of one of them.

    Sensors stay where they are: `scene.toml` names their files, and whoever reads the scene brings their
    values onto the grid. With `copy` each is written on the pixels of the grid that it covers, float32 with
    NaN for no data, SAR in linear power: the same values. Labels are written as class ids. The folder is
    renamed into place when it is whole.

    Args:
        out: The scene folder; must not exist, or be empty.
        reference: The target sensor, whose grid the scene gets.
        modalities: Name of each modality to a GeoTIFF, a folder of tiles or of band files, a `.txt` list of
            files, an address, or several of these. The reference may be among them, or is added under the
            kind that its file name tells (`target` if none).
        labels: `train`, `test` or `all` to a raster of class ids, or to a vector as `file.gpkg:column` or
            `file.gpkg:layer:column`; or to several of these, of which later ones lie over earlier
            ones. One of the three alone is split in blocks that no window of a default method reaches across,
            or in smaller ones where labels cover too small an area.
        kinds: Kind of the modalities whose name (`hsi`, `sar2`) and file name do not tell it.
        bands: Of modalities, numbers from 1 up or names; those of a folder of band files are names.
        scale: What SAR files hold. Without it, linear power, and a file of decibels is refused.
        classes: TOML file with `[[classes]]`, such as another scene's `scene.toml`. Without it the
            classes are the values in the labels.
        reclass: Value in the labels to the name of its class (of `classes`: or its id), so that values are
            merged and renamed; a value with an empty name is unlabelled, others stay as they are.
        unlabelled: Values in the labels that mean unlabelled, in place of zero and negative numbers; empty
            where every value is a class.
        assign_crs: Authority and code (`EPSG:32633`) of the CRS of label files that have none, or path of
            each to that of it; without it such a file is refused where the reference has a CRS.
        coordinates: Columns of x and y of CSV files, where their names do not tell.
        name: Of the scene; that of the folder if None.
        warp_gcps: What follows the ground control points of files (of sensors and labels) that have no other
            place: `polynomial`, or `tps` (a thin plate spline); None leaves them on their pixel grids.
        copy: Write resampled copies of the sensors into the folder.
        progress: Told after every tile that is written.

    Returns:
        The new scene; `label_report` says what the labels became.

    Raises:
        RasterError, VectorError: A file cannot be read.
        AlignmentError: A file does not overlap the reference, or only one of the two has a CRS.
        LabelError: The labels hold no pixel of the grid, fewer than two classes, or values outside `classes`.
        SceneError: A kind, scale or class list that cannot be.
        OutputError: `out` is in the way, or cannot be written.
    """
    out = Path(out)
    given, target = _with_reference(
        {key: _places(one) for key, one in modalities.items()}, _places(reference)
    )
    chosen = dict(bands or {})
    if unknown := sorted(chosen.keys() - given.keys()):
        raise UsageError(f"bands of {unknown[0]!r}, which is no modality; these are {', '.join(given)}")
    known_kinds = {key: _kind(key, one, kinds or {}, chosen.get(key)) for key, one in given.items()}
    decibel = {key: scale == "db" and KINDS[kind].power for key, kind in known_kinds.items()}
    if scale == "db" and not any(decibel.values()):
        raise UsageError(
            "scale db is for SAR, and no modality is of kind sar; name one sar, or give its kind"
        )
    how: dict[str, ReadOptions] = {
        key: {
            "kind": kind,
            "bands": chosen.get(key),
            "decibel": decibel[key],
            "warp_gcps": warp_gcps,
        }
        for key, kind in known_kinds.items()
    }
    grid = north_up(open_source(given[target], remote=True, **how[target]).reader.grid)
    sources = {key: open_source(one, grid=grid, remote=True, **how[key]) for key, one in given.items()}
    notes = {key: tuple(map(str, checked_values(one.reader))) for key, one in sources.items()}
    said = _Said(None if unlabelled is None else tuple(unlabelled), warp_gcps, assign_crs, coordinates)
    inputs = _label_inputs(labels or {}, said, grid)
    if grid.crs is None:
        files = {key: one.reader.files for key, one in sources.items()}
        rasters = [file.path for item in inputs for file in item.files if is_raster(file.path)]
        _check_points(files[target], [*itertools.chain(*files.values()), *rasters])
    legend, inputs = _legend(inputs, Path(classes) if classes is not None else None, reclass or {})
    config = parse_config(
        {
            "name": scene_name(name or real_path(out).name),
            "description": f"Aligned to the grid of {_file_name(given[target][0])}",
            "target": target,
            "modalities": {
                key: {
                    "kind": known_kinds[key],
                    "sensor": described(_file_name(source.names[0]), source.reader.product),
                    **(
                        {"file": f"{key}.tif", "notes": notes[key]}
                        if copy
                        else _left_there(given[key], source, how[key], out)
                    ),
                }
                for key, source in sources.items()
            },
            "classes": legend,
            "labels": {item.split: {"file": f"labels_{item.split}.tif"} for item in inputs},
            "split": SplitConfig() if len(inputs) == 1 else None,
        },
        str(out),
    )
    layers = [_label_layer(item, grid, config.legend) for item in inputs]
    if copy:
        layers = [*(sensor_layer(f"{key}.tif", one.reader) for key, one in sources.items()), *layers]
    else:
        for source in sources.values():
            check_data(source.reader)
    with new_folder(out, RasterioError) as folder:
        write_layers(layers, folder, grid, progress)
        write_config(_divided(config, folder, grid), folder)
    return open_scene(out, addresses=any(isinstance(place, str) for one in given.values() for place in one))


def _places(given: Given) -> list[Path | str]:
    """What a person names as one sensor: files and folders; addresses stay text."""
    several = [given] if isinstance(given, Path | str) else given
    return [str(one) if is_address(str(one)) else Path(one) for one in several]


def _left_there(
    places: Sequence[Path | str], source: Source, how: ReadOptions, out: Path
) -> dict[str, object]:
    """What scene.toml says of a sensor whose files stay where they are, and so tell their assumptions."""
    for place in places:
        if isinstance(place, str) and "?" in place:
            raise UsageError(
                f"{place.partition('?')[0]}: what follows its ? may be a signature, which scene.toml would "
                f"show: align with {option('copy')} (copy=True in Python)"
            )
    return {
        "files": [written_place(place, out) for place in places],
        "fingerprints": source.fingerprints(),
        "scale": "db" if how["decibel"] else "linear",
        "bands": how["bands"],
        "warp_gcps": how["warp_gcps"],
    }


def _file_name(place: Path | str) -> str:
    """The last part of a path or an address."""
    return str(place).partition("?")[0].rstrip("/").rpartition("/")[2]


def _check_points(reference: Sequence[Path], others: Sequence[Path]) -> None:
    """See that files whose place is ground control points have the same, where these are not followed.

    Raises:
        AlignmentError: They have others, and so lie elsewhere; on one pixel grid they would lie together.
    """
    if len(reference) != 1:
        return
    points = control_points(reference[0])
    for path in others:
        found = control_points(path)
        if points and found and found != points:
            raise AlignmentError(
                f"{path}: its {len(found)} ground control points are not the {len(points)} of "
                f"{reference[0]}, so that it lies elsewhere: have both warped with "
                f"{option('warp_gcps', 'polynomial or tps')}"
            )


def _with_reference(
    given: dict[str, list[Path | str]], reference: list[Path | str]
) -> tuple[dict[str, list[Path | str]], str]:
    for key, places in given.items():
        if _lie(places) == _lie(reference):
            return given, key
    guess = _kind("", reference, {}, None)
    target = "target" if guess == "other" or guess in given else guess
    if target in given:
        named = ", ".join(map(str, given[target]))
        raise UsageError(f"modality {target!r} is {named}, not the reference {reference[0]}; rename it")
    return {target: reference, **given}, target


def _lie(places: Sequence[Path | str]) -> list[Path | str]:
    return [place if isinstance(place, str) else real_path(place) for place in places]


def _kind(
    key: str,
    places: Sequence[Path | str],
    kinds: Mapping[str, Kind],
    bands: Sequence[int | str] | None,
) -> Kind:
    if key in kinds:
        if kinds[key] not in KINDS:
            raise UsageError(f"{key}: kind {kinds[key]!r} is not one of {', '.join(KINDS)}")
        return kinds[key]
    source = open_source(places, remote=True, bands=bands)
    files = (PurePath(_file_name(one)).stem for one in (places[0], source.names[0]))
    texts = (key, *files, " ".join(source.reader.band_names))
    return next((kind for kind in map(guess_kind, texts) if kind is not None), "other")


def scene_name(text: str) -> str:
    """`text` as the name of a scene."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")[:64] or "scene"


@dataclass(frozen=True)
class _Said:
    """What was said of all label files."""

    unlabelled: tuple[str, ...] | None
    warp_gcps: WarpGcps | None
    assign_crs: AssignedCrs | None
    coordinates: tuple[str, str] | None


def _label_inputs(labels: Mapping[str, Given], said: _Said, grid: GeoBox) -> list[_LabelInput]:
    given = set(labels)
    if given and given not in ({"train"}, {"all"}, {"train", "test"}):
        raise UsageError(
            f"labels for {', '.join(sorted(given))}; expected train and test, or one of train and all"
        )
    inputs = []
    for split in get_args(Split):
        if split in labels:
            several = labels[split]
            places = [several] if isinstance(several, Path | str) else several
            files = tuple(_label_file(place, said, grid) for place in places)
            if len({file.survey.what for file in files}) > 1:
                named = ", ".join(file.path.name for file in files)
                raise UsageError(
                    f"labels for {split} are rasters and vectors ({named}); expected files of one kind"
                )
            inputs.append(_LabelInput(split, files))
    return inputs


def _label_file(labels: Path | str, said: _Said, grid: GeoBox) -> LabelFile:
    crs = crs_of_file(said.assign_crs, file_and_rest(str(labels))[0])
    hints = VectorHints(crs, said.coordinates)
    place = label_place(labels, hints)
    source = LabelsConfig(
        file="labels",
        column=place.column,
        layer=place.layer,
        unlabelled=said.unlabelled,
        warp_gcps=said.warp_gcps,
        crs=crs,
        coordinates=said.coordinates,
    )
    survey = survey_labels(
        place.path, place.column, place.layer, said.unlabelled, grid, said.warp_gcps, hints
    )
    return LabelFile(source, place.path, survey)


def _legend(
    inputs: Sequence[_LabelInput], file: Path | None, reclass: Reclass
) -> tuple[tuple[ClassConfig, ...], list[_LabelInput]]:
    """The classes, and the label inputs with a table of values to ids where their values are no ids."""
    files = [one for item in inputs for one in item.files]
    check_reclass(reclass, {str(one.path): one.survey for one in files})
    if not files and file is None:
        return (), []
    changed = [(one, *reclassed(one.survey, reclass)) for one in files]
    if file is None:
        legend, ids = legend_of(
            [name for _, _, names in changed for name in names.values()],
            ", ".join(str(one.path) for one in files),
        )
    else:
        legend, ids = read_classes(file), {}
    known = class_table(
        LabelsConfig(file="labels"), [LandClass(one.id, one.name, one.color) for one in legend]
    )
    told = iter(
        LabelFile(
            one.source.model_copy(update={"classes": _values(names, ids, known, reclass, file)}),
            one.path,
            survey,
        )
        for one, survey, names in changed
    )
    return legend, [
        dataclasses.replace(item, files=tuple(itertools.islice(told, len(item.files)))) for item in inputs
    ]


def _values(
    names: Mapping[str, str],
    ids: Mapping[str, int],
    known: Mapping[str, int],
    reclass: Reclass,
    file: Path | None,
) -> dict[str, int] | None:
    """Class id of each value of a label file, where that is not its own or the table says otherwise."""
    found = {value: ids[name] for value, name in names.items()} if ids else {}
    for value, name in reclass.items():
        if not name:
            found[value] = 0
        elif not ids:
            if name_key(name) not in known:
                raise LabelError(
                    f"{file}: has no class {name!r}, which value {value!r} of the labels is to become"
                )
            found[value] = known[name_key(name)]
    return found or None


def _divided(config: SceneConfig, folder: Path, grid: GeoBox) -> SceneConfig:
    """The scene with a split, where it has one set of labels."""
    given = dict(config.labels.given())
    if len(given) != 1:
        return config
    (source,) = given.values()
    pixels = all_labelled(source, folder / source.file, grid, config.legend)
    block, buffer = default_split(pixels.position, pixels.label)
    return config.model_copy(update={"split": SplitConfig(block=block, buffer=buffer)})


def _label_layer(item: _LabelInput, grid: GeoBox, legend: Sequence[LandClass]) -> Layer:
    tally = LabelTally(item.files, grid, legend)

    def read(window: Window) -> ClassArray:
        return tally.read(window)[np.newaxis]

    return Layer(
        f"labels_{item.split}.tif",
        item.names,
        read,
        Window(0, 0, *grid.shape),
        "uint8",
        0,
        ("class",),
        ({},),
        color_table(legend),
        lambda: summary_tag(tally.summary()),
        side=_LABEL_SIDE,
    )
