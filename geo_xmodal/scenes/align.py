"""Files of any CRS and resolution to a scene folder on one grid."""

from __future__ import annotations

import colorsys
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pydantic import TypeAdapter, ValidationError
from rasterio.errors import RasterioError
from rasterio.windows import Window as FileWindow

from geo_xmodal.errors import LabelError, OutputError, SceneError, UsageError
from geo_xmodal.scenes import labels as label_files
from geo_xmodal.scenes.config import (
    ClassConfig,
    LabelsConfig,
    LabelsTable,
    ModalityConfig,
    SceneConfig,
    SplitConfig,
    write_config,
)
from geo_xmodal.scenes.grid import extent_text, overlap
from geo_xmodal.scenes.raster import describe_raster
from geo_xmodal.scenes.reader import AlignedReader, aligned_reader
from geo_xmodal.scenes.scene import Scene, Split, open_scene
from geo_xmodal.types import ClassArray, FloatArray, Kind, LandClass, Progress, Window, windows_over

Scale = Literal["linear", "db"]

TILE = 256
"""Side of the tiles that are read, warped and written at once; that of the reader's own blocks."""

PALETTE = (
    "#332288", "#117733", "#ddcc77", "#cc6677", "#88ccee",
    "#aa4499", "#44aa99", "#999933", "#882255", "#661100",
)  # fmt: skip
"""Colours that colour-blind readers tell apart (P. Tol, "Colour schemes", SRON/EPS/TN/09-002, muted)."""

_KIND_WORDS: Mapping[Kind, str] = {
    "hsi": r"hsi|hyper\w*|enmap|prisma|hyperion|aviris|desis|emit|hymap|casi",
    "sar": r"sar|s1[abc]?|sentinel1|palsar\w*|terrasar\w*|radar|vv|vh|hh|hv",
    "msi": r"msi|s2[abc]?|sentinel2|landsat\w*|hls|planet\w*|multispectral",
    "lidar": r"lidar|dsm|dem|dtm|chm|ndsm|als",
}

_DECIBEL_SHARE = 0.95
"""Intensity is never negative; decibels of natural surfaces nearly always are."""

_SPLITS = get_args(Split)


@dataclass(frozen=True)
class _LabelInput:
    split: Split
    path: Path
    source: LabelsConfig


def align_scene(
    out: Path | str,
    *,
    reference: Path | str,
    modalities: Mapping[str, Path | str],
    labels: Mapping[str, Path | str] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    scale: Scale | None = None,
    classes: Path | str | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Scene:
    """Bring files of any CRS and resolution onto the grid of one of them, as a scene folder.

    Each modality is written on the pixels of the reference grid that it covers, float32 with NaN for no
    data, SAR in linear power; labels as class ids. Work is done tile by tile and the folder is renamed into
    place when it is whole.

    Args:
        out: The scene folder; must not exist, or be empty.
        reference: The target sensor's file, whose grid the scene gets.
        modalities: Name of each modality to its file. The reference may be among them, or is added under
            the kind that its file name tells (`target` if none).
        labels: `train`, `test` or `all` to a raster of class ids, or to a vector as `file.gpkg:column`.
            One of them alone is split in blocks.
        kinds: Kind of the modalities whose name (`hsi`, `sar2`) and file name do not tell it.
        scale: What SAR files hold. Without it, linear power, and a file of decibels is refused.
        classes: TOML file with `[[classes]]`, such as another scene's `scene.toml`. Without it the
            classes are the values in the labels.
        name: Of the scene; that of the folder if None.
        progress: Told after every tile.

    Returns:
        The new scene.

    Raises:
        RasterError, VectorError: A file cannot be read.
        AlignmentError: A file does not overlap the reference, or only one of the two has a CRS.
        LabelError: The labels hold no pixel of the grid, fewer than two classes, or values outside `classes`.
        SceneError: A kind, scale or class list that cannot be.
        OutputError: `out` is in the way, or cannot be written.
    """
    out, reference = Path(out), Path(reference)
    files, target = _with_reference({key: Path(path) for key, path in modalities.items()}, reference)
    known_kinds = {key: _kind(key, path, kinds or {}) for key, path in files.items()}
    decibel = {key: scale == "db" and kind == "sar" for key, kind in known_kinds.items()}
    if scale == "db" and not any(decibel.values()):
        raise UsageError("scale db is for SAR, and no modality is of kind sar; name one sar, or give its kind")
    grid = describe_raster(reference).grid
    readers = {
        key: aligned_reader(path, grid=grid, kind=known_kinds[key], decibel=decibel[key])
        for key, path in files.items()
    }
    inputs = _label_inputs(labels or {})
    legend, inputs = _legend(inputs, Path(classes) if classes is not None else None)
    config = SceneConfig(
        name=_scene_name(name or out.resolve().name),
        description=f"Aligned to the grid of {reference.name}",
        target=target,
        modalities={
            key: ModalityConfig(file=f"{key}.tif", kind=reader.kind, sensor=files[key].name)
            for key, reader in readers.items()
        },
        classes=legend,
        labels=LabelsTable(**{item.split: LabelsConfig(file=f"{item.split}.tif") for item in inputs}),
        split=SplitConfig() if len(inputs) == 1 else None,
    )
    with _in_place(out) as folder:
        step = _steps(readers, inputs, grid, progress)
        for key, reader in readers.items():
            if not decibel[key]:
                _refuse_decibels(reader)
            for message in _write_modality(folder / f"{key}.tif", reader):
                step(message)
        for item in inputs:
            for message in _write_labels(folder / f"{item.split}.tif", item, grid, config.legend):
                step(message)
        write_config(config, folder)
    return open_scene(out)


def palette(count: int) -> tuple[str, ...]:
    """`count` different colours, the first ten of which colour-blind readers tell apart."""
    colors = list(PALETTE[:count])
    turn = 0
    while len(colors) < count:
        hue, lightness = (turn * 0.618034) % 1, (0.35, 0.55, 0.75)[turn % 3]
        rgb = colorsys.hls_to_rgb(hue, lightness, 0.6)
        color = "#" + "".join(f"{round(channel * 255):02x}" for channel in rgb)
        turn += 1
        if color not in colors:
            colors.append(color)
    return tuple(colors)


def _with_reference(files: dict[str, Path], reference: Path) -> tuple[dict[str, Path], str]:
    for key, path in files.items():
        if path.resolve() == reference.resolve():
            return files, key
    target = _guessed(reference.stem) or "target"
    if target in files:
        target = "target"
    if target in files:
        raise UsageError(f"modality {target!r} is {files[target]}, but the reference is {reference}; rename it")
    return {target: reference, **files}, target


def _kind(key: str, path: Path, kinds: Mapping[str, Kind]) -> Kind:
    if key in kinds:
        if kinds[key] not in get_args(Kind):
            raise UsageError(f"{key}: kind {kinds[key]!r} is not one of {', '.join(get_args(Kind))}")
        return kinds[key]
    return _guessed(key) or _guessed(path.stem) or "other"


def _guessed(text: str) -> Kind | None:
    words = re.split(r"[^a-z0-9]+", text.lower())
    for kind, pattern in _KIND_WORDS.items():
        if any(re.fullmatch(rf"(?:{pattern})\d*", word) for word in words):
            return kind
    return None


def _scene_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")[:64] or "scene"


def _label_inputs(labels: Mapping[str, Path | str]) -> list[_LabelInput]:
    inputs = []
    for split in _SPLITS:
        if split in labels:
            path, column = _path_and_column(labels[split])
            inputs.append(_LabelInput(split, path, LabelsConfig(file=path.name, column=column)))
    given = set(labels)
    if given and given not in ({"train"}, {"all"}, {"train", "test"}):
        raise UsageError(
            f"labels for {', '.join(sorted(given))}; expected train and test, or one of train and all"
        )
    return inputs


def _path_and_column(label: Path | str) -> tuple[Path, str | None]:
    path = Path(label)
    file, colon, column = str(label).rpartition(":")
    if path.exists() or not colon or not file or "/" in column or "\\" in column:
        return path, None
    return Path(file), column


def _legend(
    inputs: Sequence[_LabelInput], file: Path | None
) -> tuple[tuple[ClassConfig, ...], list[_LabelInput]]:
    """The classes, and the label inputs with a table of values to ids where their values are no ids."""
    if file is not None:
        return _read_classes(file), list(inputs)
    if not inputs:
        return (), []
    values: list[str] = []
    for item in inputs:
        found = label_files.label_values(item.path, item.source.column, item.source.layer)
        values += [value for value in found if value not in values]
    where = ", ".join(str(item.path) for item in inputs)
    if not 2 <= len(values) <= 255:
        raise LabelError(
            f"{where}: {len(values)} different labels ({', '.join(values[:5])}), expected 2 to 255 classes"
        )
    are_ids = all(value.isdecimal() and 1 <= int(value) <= 255 for value in values)
    if are_ids:
        values.sort(key=int)
    ids = {value: int(value) if are_ids else order for order, value in enumerate(values, 1)}
    legend = tuple(
        ClassConfig(id=id_, name=f"class {value}" if value.isdecimal() else value, color=color)
        for (value, id_), color in zip(ids.items(), palette(len(values)), strict=True)
    )
    return legend, [
        _LabelInput(item.split, item.path, item.source.model_copy(update={"classes": ids})) for item in inputs
    ]


def _read_classes(file: Path) -> tuple[ClassConfig, ...]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        return TypeAdapter(tuple[ClassConfig, ...]).validate_python(table["classes"])
    except OSError as error:
        raise SceneError(f"{file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SceneError(f"{file}: not valid TOML: {error}") from None
    except KeyError:
        raise SceneError(f"{file}: has no [[classes]] with id, name and color") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in ("classes", *first["loc"]))
        raise SceneError(f"{file}: {key}: {first['msg']}") from None


@contextmanager
def _in_place(out: Path) -> Iterator[Path]:
    """A new folder beside `out` that becomes `out` if the block ends well, and is gone if it does not."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: is in the way; give a folder that does not exist yet, or an empty one")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise OutputError(f"{out}: cannot be made: {error.strerror}") from None
    try:
        yield folder
        folder.chmod(0o755)
        if out.exists():
            out.rmdir()
        folder.rename(out)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _steps:  # noqa: N801 - called like the function that it stands for
    def __init__(
        self,
        readers: Mapping[str, AlignedReader],
        inputs: Sequence[_LabelInput],
        grid: GeoBox,
        progress: Progress | None,
    ) -> None:
        covered = [_covered(reader) for reader in readers.values()]
        covered += [Window(0, 0, *grid.shape)] * len(inputs)
        self._total = sum(1 for part in covered for _ in windows_over(part.height, part.width, TILE))
        self._done = 0
        self._progress = progress

    def __call__(self, message: str) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total, message)
