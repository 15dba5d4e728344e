"""A table of points to a scene folder."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyproj
from rasterio import Affine
from rasterio.errors import RasterioError
from rasterio.windows import Window as FileWindow

from geo_xmodal.errors import LabelError, TableError, UsageError
from geo_xmodal.outputs import new_folder, write_text
from geo_xmodal.points.layout import Layout, groups_along_curve, lay_out
from geo_xmodal.points.request import PointsRequest
from geo_xmodal.points.samples import Samples, SensorValues, read_samples
from geo_xmodal.points.table import Numbers, open_table
from geo_xmodal.raster import create_raster, means_unlabelled, name_key
from geo_xmodal.scenes import (
    ClassConfig,
    SceneConfig,
    block_split,
    color_table,
    legend_of,
    parse_config,
    read_classes,
    scene_name,
    write_config,
)
from geo_xmodal.small_files import shortened
from geo_xmodal.types import ClassArray, FloatArray, IntArray, Progress
from geo_xmodal.wording import counted, names_text

POINTS_FILE = "points.csv"
_TILE = 64
_WORLD = "OGC:CRS84"

BoolArray = npt.NDArray[np.bool_]
Part = Literal["train", "test", "unlabelled"]


@dataclass(frozen=True)
class PointsReport:
    """What `import_points` made.

    Attributes:
        out: The scene folder.
        points: Points of the scene.
        places: Places that they belong to.
        divided: How places were told apart, in words.
        bands: Bands of each sensor.
        counts: Training and test points of each class by name.
        unlabelled: Points without label, which train as such.
        pairs: Points that have both sensors.
        notes: What was left out, filled or taken for granted, a line each.
    """

    out: Path
    points: int
    places: int
    divided: str
    bands: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]
    unlabelled: int
    pairs: int
    notes: tuple[str, ...]


def import_points(
    table: Path | str, out: Path | str, request: PointsRequest, progress: Progress | None = None
) -> PointsReport:
    """Make a scene of single pixels from a table with a row a point.

    The scene trains and tests as any other, but has no map: its pixels lie on a grid without ground (see
    `geo_xmodal.points.layout`). Whole places train or test. A point without the target sensor is left out;
    one without label, or of a class of fewer than `min_per_class` points, trains unlabelled, unless its
    place tests: then it is left out, too.

    Args:
        table: CSV, Parquet, GeoParquet, GeoPackage or GeoJSON.
        out: The scene folder; must not exist, or be empty.
        request: Which columns are what.
        progress: Told after each file of the scene.

    Raises:
        UsageError: Patterns mean no column, or one twice, or the scale is not of the kind.
        TableError: The table cannot be read, or its points cannot be used.
        LabelError: Fewer than two classes are left, or more than a map can hold.
        OutputError: `out` is in the way, or cannot be written.
    """
    table, out = Path(table), Path(out)
    opened = open_table(table, request.layer)
    samples = read_samples(opened, request)
    notes = list(samples.notes)
    world = _world(table, samples, notes)
    kept = _usable(table, samples, world, request, notes)
    classes, ids = _classes(table, samples, kept, request, notes)
    kept &= ~_repeated(samples, ids, kept, notes)
    group, divided = _groups(samples, world, kept, request)
    part = _parts(table, group, ids, kept, request, classes, notes)
    kept &= part != "none"
    index = np.flatnonzero(kept)
    group = np.unique(group[index], return_inverse=True)[1].reshape(-1)
    places = int(group.max()) + 1
    layout = lay_out(groups_along_curve(world[index]) if request.random else group, world[index])
    scene = _Scene(samples, index, ids[index], part[index], layout)
    config = _config(scene, out, table, request, classes, places, divided)
    with new_folder(out, RasterioError) as folder:
        scene.write(folder, config, classes, progress)
    counts = {
        one.name: {
            side: int(((scene.ids == one.id) & (scene.part == side)).sum()) for side in ("train", "test")
        }
        for one in classes
    }
    both = np.zeros(len(index), bool)
    if samples.auxiliary is not None:
        both = np.asarray(np.isfinite(samples.auxiliary.values[index]).all(axis=1))
        if not both.all():
            notes.append(
                f"{counted(int((~both).sum()), 'point')} without the auxiliary sensor, in part or whole"
            )
    return PointsReport(
        out=out,
        points=len(index),
        places=places,
        divided=divided,
        bands={name: len(values.bands) for name, values in scene.sensors.items()},
        counts=counts,
        unlabelled=int((scene.part == "unlabelled").sum()),
        pairs=int(both.sum()),
        notes=tuple(notes),
    )


def _world(table: Path, samples: Samples, notes: list[str]) -> Numbers:
    """Longitude and latitude of the samples; NaN where they have none that can be."""
    try:
        crs = pyproj.CRS.from_user_input(samples.crs or _WORLD)
        to_world = pyproj.Transformer.from_crs(crs, _WORLD, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise TableError(
            f"{table}: the CRS {shortened(samples.crs)!r} cannot be used ({shortened(str(error))}): give a "
            "code such as EPSG:32633"
        ) from None
    given = np.isfinite(samples.coordinates).all(axis=1)
    world = np.full(samples.coordinates.shape, np.nan)
    if given.any():
        world[given] = np.stack(to_world.transform(*samples.coordinates[given].T), axis=1)
    with np.errstate(invalid="ignore"):
        placed = np.isfinite(world).all(axis=1) & (np.abs(world) <= (360.0, 90.0)).all(axis=1)
    beyond = given & ~placed
    if beyond.any():
        x, y = samples.coordinates[beyond][0]
        what = f"{int(beyond.sum()):,} of {int(given.sum()):,} points lie nowhere on Earth ({x:g}, {y:g})"
        if beyond.all() or not placed.any():
            raise TableError(
                f"{table}: {what}: see which columns are x and y (longitude and latitude), and in which CRS"
            )
        notes.append(f"{what}: their coordinates are not used")
    world[~placed] = np.nan
    world[:, 0] = (world[:, 0] + 180) % 360 - 180
    return world


def _usable(
    table: Path, samples: Samples, world: Numbers, request: PointsRequest, notes: list[str]
) -> BoolArray:
    """Samples that have the target sensor, and a place where they need one."""
    seen = np.isfinite(samples.target.values).all(axis=1)
    if not seen.any():
        share = np.isnan(samples.target.values).mean(axis=0)
        worst = int(share.argmax())
        raise TableError(
            f"{table}: no sample has a value in every band of the target sensor ("
            f"{samples.target.bands[worst]!r} lacks it in {share[worst]:.0%}): leave bands out, or fill gaps"
        )
    if not seen.all():
        notes.append(f"{counted(int((~seen).sum()), 'sample')} left out: no value in some band of the target")
    if request.cells is not None:
        placed = np.isfinite(world).all(axis=1)
        if not placed.any():
            raise TableError(f"{table}: no sample has coordinates, which cells need: name their columns")
        if not placed.all():
            notes.append(f"{counted(int((seen & ~placed).sum()), 'sample')} left out: no coordinates")
        return np.asarray(seen & placed)
    return np.asarray(seen)


def _classes(
    table: Path, samples: Samples, kept: BoolArray, request: PointsRequest, notes: list[str]
) -> tuple[tuple[ClassConfig, ...], ClassArray]:
    """The legend, and the class id of each sample, 0 without one."""
    given = request.unlabelled or None
    texts = np.array(["" if means_unlabelled(one, given) else one for one in samples.label], object)
    names, colors = _legend(request, sorted(set(texts[kept]) - {""}))
    if request.legend is not None:
        unknown = [one for one in names if names[one] is None]
        if unknown:
            count = int(np.isin(texts[kept], unknown).sum())
            notes.append(
                f"{counted(count, 'label')} not in the legend ({names_text(unknown)}): taken as unlabelled"
            )
        texts = np.array([names.get(one) or "" for one in texts], object)
    counts = Counter(texts[kept].tolist())
    counts.pop("", None)
    rare = sorted(one for one, count in counts.items() if count < request.min_per_class)
    if rare:
        lost = sum(counts[one] for one in rare)
        notes.append(
            f"fewer than {request.min_per_class} points of {names_text(rare)}: their "
            f"{counted(lost, 'label')} taken as none"
        )
    wanted = [one for one in counts if one not in set(rare)]
    if len(wanted) < 2:
        raise LabelError(
            f"{table}: {counted(len(wanted), 'label')} of column {request.label!r} "
            f"{'has' if len(wanted) == 1 else 'have'} {request.min_per_class} points or more that the target "
            "sensor saw, expected two classes at least: lower that number, or choose another column"
        )
    classes, ids = legend_of(sorted(wanted), str(table))
    if colors:
        classes = tuple(one.model_copy(update=colors.get(name_key(one.name), {})) for one in classes)
    return classes, np.array([ids.get(one, 0) for one in texts], np.uint8)


def _legend(
    request: PointsRequest, values: Sequence[str]
) -> tuple[dict[str, str | None], dict[str, dict[str, str]]]:
    """The name of each value of the labels (None: not in the legend), and colours by name."""
    if request.legend is None:
        return dict.fromkeys(values), {}
    if request.legend.suffix.lower() == ".toml":
        entries = read_classes(request.legend)
        known = {str(one.id): one.name for one in entries} | {one.name: one.name for one in entries}
        colors = {name_key(one.name): {"color": one.color} for one in entries}
    else:
        legend = open_table(request.legend)
        if len(legend.columns) < 2:
            raise TableError(f"{request.legend}: expected two columns, values and names of classes")
        value, name = legend.columns[:2]
        _, words = legend.read([], [value, name])
        known, colors = dict(zip(words[value], words[name], strict=True)), {}
    return {one: known.get(one) or None for one in values}, colors


def _repeated(samples: Samples, ids: ClassArray, kept: BoolArray, notes: list[str]) -> BoolArray:
    """Samples that are the same as an earlier one: coordinates, label and all values."""
    parts = [samples.coordinates, ids[:, None], samples.target.values]
    if samples.auxiliary is not None:
        parts.append(samples.auxiliary.values)
    seen: set[bytes] = set()
    repeated = np.zeros(len(samples), bool)
    rows = [np.ascontiguousarray(part) for part in parts]
    for row in np.flatnonzero(kept).tolist():
        key = b"".join(part[row].tobytes() for part in rows)
        repeated[row] = key in seen
        seen.add(key)
    if repeated.any():
        notes.append(
            f"{counted(int(repeated.sum()), 'sample')} left out: the same as another in all that counts"
        )
    known = kept & ~repeated & (ids > 0) & np.isfinite(samples.coordinates).all(axis=1)
    _, where = np.unique(samples.coordinates[known], axis=0, return_inverse=True)
    pairs = np.unique(np.stack([where.reshape(-1), ids[known]], axis=1), axis=0)
    torn = int((np.bincount(pairs[:, 0]) > 1).sum()) if len(pairs) else 0
    if torn:
        notes.append(f"{counted(torn, 'place')} has samples of several classes at the same coordinates")
    return repeated


def _groups(
    samples: Samples, world: Numbers, kept: BoolArray, request: PointsRequest
) -> tuple[IntArray, str]:
    """(n,) which samples train or test together, and how that was told."""
    if request.places is not None:
        assert samples.place is not None
        names = [one or f"\0{row}" for row, one in enumerate(samples.place)]  # without a place: its own
        _, group = np.unique(np.array(names, object).astype(str), return_inverse=True)
        return group.reshape(-1).astype(np.int64), f"places are those of column {request.places}"
    if request.cells is not None:
        cells = np.floor(np.where(np.isfinite(world), world, 0) / request.cells)
        _, group = np.unique(cells, axis=0, return_inverse=True)
        return group.reshape(-1).astype(np.int64), f"places are cells of {request.cells:g} degrees"
    if not request.random:
        raise UsageError(
            "how are test points kept apart? Say which column names their place, how many degrees a cell "
            "has, or that they are divided at random, which flatters accuracy"
        )
    alone = -1.0 - np.arange(len(samples))[:, None]
    known = np.isfinite(samples.coordinates).all(axis=1, keepdims=True)
    keys = np.where(known, samples.coordinates, np.concatenate([alone, np.full_like(alone, np.inf)], axis=1))
    _, group = np.unique(keys, axis=0, return_inverse=True)
    return group.reshape(-1).astype(
        np.int64
    ), "divided at random: accuracy is flattered where points are near"


def _parts(
    table: Path,
    group: IntArray,
    ids: ClassArray,
    kept: BoolArray,
    request: PointsRequest,
    classes: Sequence[ClassConfig],
    notes: list[str],
) -> npt.NDArray[np.str_]:
    """(n,) `train`, `test`, `unlabelled` or `none` of each sample; no group both trains and tests."""
    labelled = np.flatnonzero(kept & (ids > 0))
    places = np.stack([group[labelled], np.zeros_like(labelled)], axis=1)
    split = block_split(places, ids[labelled].astype(np.int64), 1, request.test, 0, request.seed)
    if not split.train.any() or not split.test.any():
        raise TableError(
            f"{table}: all {len(labelled):,} labels lie in one place, so that none could be kept for test: "
            "take smaller cells, or another column of places"
        )
    part = np.full(len(ids), "none", "<U10")
    part[labelled[split.train]], part[labelled[split.test]] = "train", "test"
    free = kept & (ids == 0)
    tested = np.isin(group, group[labelled[split.test]])
    part[free & ~tested] = "unlabelled"
    if (free & tested).any():
        notes.append(
            f"{counted(int((free & tested).sum()), 'point')} without label left out: their places test"
        )
    for side in ("train", "test"):
        present = set(np.unique(ids[part == side]).tolist())
        lacking = [one.name for one in classes if one.id not in present]
        if lacking:
            notes.append(f"no {side} point of {names_text(lacking)}: too few places have such points")
    return part


@dataclass(frozen=True)
class _Scene:
    """The samples of a scene and where they lie; arrays are of those alone."""

    samples: Samples
    index: IntArray
    ids: ClassArray
    part: npt.NDArray[np.str_]
    layout: Layout

    @property
    def sensors(self) -> dict[str, SensorValues]:
        """By name in the scene: what they measure, which is told apart where both measure the same."""
        target, auxiliary = self.samples.target, self.samples.auxiliary
        if auxiliary is None:
            return {target.kind: target}
        return {
            target.kind: target,
            auxiliary.kind if auxiliary.kind != target.kind else f"{auxiliary.kind}_auxiliary": auxiliary,
        }

    def write(
        self,
        folder: Path,
        config: SceneConfig,
        classes: Sequence[ClassConfig],
        progress: Progress | None,
    ) -> None:
        """All files of the scene."""
        steps = len(self.sensors) + 2
        for done, (name, sensor) in enumerate(self.sensors.items(), start=1):
            values = sensor.values[self.index]
            _write(folder / f"{name}.tif", values, self.layout, sensor.bands, None)
            if progress is not None:
                progress(done, steps, f"writing {name}")
        for done, side in enumerate(("train", "test"), start=len(self.sensors) + 1):
            ids = np.where(self.part == side, self.ids, 0).astype(np.uint8)
            _write(folder / f"{side}.tif", ids[:, None], self.layout, ("class",), color_table(config.legend))
            if progress is not None:
                progress(done, steps, f"writing {side} labels")
        write_text(folder / POINTS_FILE, self._table(classes))
        write_config(config, folder)

    def _table(self, classes: Sequence[ClassConfig]) -> str:
        names = {one.id: one.name for one in classes} | {0: ""}
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["row", "col", "x", "y", "sample", "place", "class", "part"])
        for k, (row, col) in enumerate(self.layout.position.tolist()):
            one = int(self.index[k])
            place = "" if self.samples.place is None else self.samples.place[one]
            x, y = (f"{value:.10g}" for value in self.samples.coordinates[one])
            about = (self.samples.name[one], place, names[int(self.ids[k])], self.part[k])
            rows.writerow([row, col, x, y, *about])
        return text.getvalue()


def _write(
    path: Path,
    values: FloatArray | ClassArray,
    layout: Layout,
    bands: Sequence[str],
    colors: Mapping[int, tuple[int, int, int, int]] | None,
) -> None:
    """Values (n, band) on the grid; tiles without points take no room."""
    height, width = layout.shape
    floats = values.dtype == np.float32
    nodata = np.nan if floats else 0
    profile: dict[str, Any] = {
        "height": height,
        "width": width,
        "count": values.shape[1],
        "dtype": values.dtype.name,
        "nodata": nodata,
        "transform": Affine(1, 0, 0, 0, -1, height),
        "tiled": True,
        "blockxsize": _TILE,
        "blockysize": _TILE,
        "interleave": "band",
        "compress": "deflate",
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    tile = layout.position // _TILE
    _, tile_of = np.unique(tile, axis=0, return_inverse=True)
    order = np.argsort(tile_of.reshape(-1), kind="stable")
    ends = np.flatnonzero(np.diff(tile_of.reshape(-1)[order])) + 1
    with create_raster(path, **profile) as writer:
        for number, name in enumerate(bands, start=1):
            writer.dataset.set_band_description(number, name)
        if colors is not None:
            writer.dataset.write_colormap(1, colors)
        for members in np.split(order, ends):
            top, left = (tile[members[0]] * _TILE).tolist()
            rows, cols = min(_TILE, height - top), min(_TILE, width - left)
            block = np.full((values.shape[1], rows, cols), nodata, values.dtype)
            row, col = (layout.position[members] - (top, left)).T
            block[:, row, col] = values[members].T
            writer.write(block, window=FileWindow(left, top, cols, rows))


def _config(
    scene: _Scene,
    out: Path,
    table: Path,
    request: PointsRequest,
    classes: Sequence[ClassConfig],
    places: int,
    divided: str,
) -> SceneConfig:
    modalities: dict[str, dict[str, Any]] = {}
    for name, sensor in scene.sensors.items():
        modalities[name] = {"file": f"{name}.tif", "kind": sensor.kind, "sensor": sensor.sensor}
        if sensor.scale == "db":
            modalities[name]["scale"] = "db"
    return parse_config(
        {
            "name": scene_name(request.name or out.resolve().name),
            "description": f"{len(scene.index):,} points of {shortened(table.name)}; {divided}",
            "target": next(iter(modalities)),
            "modalities": modalities,
            "classes": [one.model_dump() for one in classes],
            "labels": {side: {"file": f"{side}.tif"} for side in ("train", "test")},
            "points": {
                "file": POINTS_FILE,
                "count": len(scene.index),
                "places": places,
                "block": scene.layout.block,
                "pitch": scene.layout.pitch,
                "site": 1 if request.random else scene.layout.pitch,
            },
        }
    )
