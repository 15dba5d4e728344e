"""A simulated scene folder, made window by window."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import new_folder
from geo_xmodal.raster import RasterWriter, file_window
from geo_xmodal.requests import SimulateRequest
from geo_xmodal.scenes import (
    ClassConfig,
    LabelsConfig,
    LabelsTable,
    ModalityConfig,
    SceneConfig,
    color_table,
    write_config,
)
from geo_xmodal.simulate.files import created
from geo_xmodal.simulate.footprint import Footprint
from geo_xmodal.simulate.layout import Layout
from geo_xmodal.simulate.preset import Modality, Preset
from geo_xmodal.simulate.presets import PRESETS
from geo_xmodal.simulate.reference import LabelledPolygons, TrainingPixels, choose_training, scaled_counts
from geo_xmodal.simulate.sampling import PixelGrid, ground
from geo_xmodal.types import ClassArray, Progress, Window, windows_over

MIN_SIDE = 64
"""Least rows and columns of a scene."""

MAX_SIDE = 100_000
"""Most rows and columns of a scene."""

_BLOCK = 128


@dataclass
class _Steps:
    """Counts windows for whoever wants to know."""

    total: int
    progress: Progress | None
    done: int = field(default=0)

    def __call__(self, message: str) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total, message)


def simulate_scene(
    out: Path | str,
    like: str,
    rows: int | None = None,
    cols: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Make a scene folder whose truth is known.

    The folder holds `scene.toml`, one GeoTIFF a modality, `train.tif` and `test.tif`, the class of every
    pixel in `truth.tif`, and a README with the command that makes the same bytes again. Memory does not grow
    with the size of the scene.

    Args:
        out: The folder to make; must not exist, or be empty.
        like: A name in `PRESETS`.
        rows: Rows of the target sensor's grid (default: those of the shipped sample).
        cols: Columns of that grid.
        seed: Which land, and which noise.
        progress: Told of each window that is done.

    Returns:
        `out`.

    Raises:
        UsageError: Unknown preset, or a size or seed out of bounds.
        OutputError: The folder is in the way of something, or cannot be written.
    """
    out = Path(out)
    if like not in PRESETS:
        raise UsageError(
            f"{option('like', like)}: unknown kind of scene; known: {', '.join(sorted(PRESETS))}"
        )
    preset = PRESETS[like]
    rows, cols = preset.rows if rows is None else rows, preset.cols if cols is None else cols
    for name, value in (("rows", rows), ("cols", cols)):
        if not MIN_SIDE <= value <= MAX_SIDE:
            raise UsageError(f"{option(name, value)}: a simulated scene has {MIN_SIDE} to {MAX_SIDE} {name}")
    if not 0 <= seed < 2**31:
        raise UsageError(f"{option('seed', seed)}: expected 0 to {2**31 - 1}")
    out = Path(out)
    # the default block cache is a share of the machine's memory, which would unbound ours
    with new_folder(out, RasterioError) as folder, rasterio.Env(GDAL_CACHEMAX=64 << 20):
        _write(folder, Footprint(preset, rows, cols), seed, progress)
    return out


def _write(folder: Path, footprint: Footprint, seed: int, progress: Progress | None) -> None:
    preset, layout = footprint.preset, footprint.layout(seed)
    grids = {name: footprint.grid_of(modality) for name, modality in preset.modalities.items()}
    tiled = [(grids[name], _block(modality)) for name, modality in preset.modalities.items()]
    tiled += [(footprint.grid, _BLOCK)] * 2
    steps = _Steps(sum(-(-grid.rows // n) * -(-grid.cols // n) for grid, n in tiled), progress)
    for name, modality in preset.modalities.items():
        _write_modality(folder / f"{name}.tif", preset, modality, layout, grids[name], steps)
    with tempfile.TemporaryDirectory(prefix="ranks.", dir=folder) as scratch:
        _write_labels(folder, Path(scratch) / "ranks.tif", footprint, layout, steps)
    request = SimulateRequest(
        out=Path("OUT"), like=preset.name, rows=footprint.rows, cols=footprint.cols, seed=seed
    )
    command = shlex.join(request.words())
    write_config(_config(preset, command), folder)
    (folder / "README.md").write_text(_readme(preset, command), encoding="utf-8", newline="\n")


def _block(modality: Modality) -> int:
    """Side of tiles: smaller where a pixel may have hundreds of bands."""
    return 64 if modality.sensor.kind in ("hsi", "msi") else _BLOCK


def _write_modality(
    path: Path, preset: Preset, modality: Modality, layout: Layout, grid: PixelGrid, steps: _Steps
) -> None:
    sensor, block = modality.sensor, _block(modality)
    with created(
        path, preset, grid, sensor.bands, sensor.dtype, block=block, nodata=sensor.nodata, tags=sensor.tags
    ) as writer:
        for window in windows_over(grid.rows, grid.cols, block):
            writer.write(sensor.observe(layout, grid, window), window=file_window(window))
            steps(f"{path.stem}: {grid.rows} x {grid.cols} pixels")


def _write_labels(folder: Path, ranks: Path, footprint: Footprint, layout: Layout, steps: _Steps) -> None:
    preset, grid, area = footprint.preset, footprint.grid, footprint.test_area
    ids = [entry.id for entry in preset.classes]
    total = sum(preset.test)
    weights = {class_id: count / total for class_id, count in zip(ids, preset.test, strict=True)}
    polygons = LabelledPolygons(preset.test_share, weights)
    with (
        _label_file(folder / "truth.tif", footprint) as truth,
        created(ranks, preset, grid, ["rank"], "uint8", block=_BLOCK) as rank_file,
    ):
        for window in windows_over(grid.rows, grid.cols, _BLOCK):
            land = ground(layout, grid, window, 1, 0)
            rank = (land.parcel >> np.uint32(24)).astype(np.uint8)
            truth.write(land.cover.label, 1, window=file_window(window))
            rank_file.write(rank, 1, window=file_window(window))
            inside = slice(max(area.col - window.col, 0), None)
            polygons.count(land.cover.label[:, inside], rank[:, inside])
            steps("classes")
    polygons.settle()
    with rasterio.open(folder / "truth.tif") as truth, rasterio.open(ranks) as rank_file:

        def read(window: Window) -> ClassArray:
            return np.asarray(truth.read(1, window=file_window(window)))

        # labels stay scarce, and the list of them short, in scenes larger than the published one
        share = min(grid.rows * grid.cols / preset.table_pixels, 1.0)
        counts = scaled_counts(preset.train, share, preset.least)
        chosen = choose_training(read, footprint.strip, ids, counts, layout.seed)
        with (
            _label_file(folder / "test.tif", footprint) as test,
            _label_file(folder / "train.tif", footprint) as train,
        ):
            for window in windows_over(grid.rows, grid.cols, _BLOCK):
                labels = polygons.keep(read(window), rank_file.read(1, window=file_window(window)))
                labels[:, : max(area.col - window.col, 0)] = 0
                test.write(labels, 1, window=file_window(window))
                train.write(_placed(chosen, window), 1, window=file_window(window))
                steps("labels")


@contextlib.contextmanager
def _label_file(path: Path, footprint: Footprint) -> Iterator[RasterWriter]:
    preset = footprint.preset
    with created(path, preset, footprint.grid, ["class"], "uint8", block=_BLOCK, nodata=0) as writer:
        writer.dataset.write_colormap(1, color_table(preset.classes))
        yield writer


def _placed(chosen: TrainingPixels, window: Window) -> ClassArray:
    """Class ids of the chosen pixels that lie in `window`, 0 elsewhere."""
    rows, cols = chosen.position[:, 0] - window.row, chosen.position[:, 1] - window.col
    inside = (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
    out = np.zeros((window.height, window.width), np.uint8)
    out[rows[inside], cols[inside]] = chosen.label[inside]
    return out


def _config(preset: Preset, command: str) -> SceneConfig:
    return SceneConfig(
        name=preset.name,
        description=(
            f"Simulated; not {preset.title}, only its sensors, classes and balance. Made by: {command}"
        ),
        simulated=True,
        target=preset.target,
        modalities={
            name: ModalityConfig(file=f"{name}.tif", kind=modality.sensor.kind, sensor=modality.sensor.name)
            for name, modality in preset.modalities.items()
        },
        classes=tuple(
            ClassConfig(id=entry.id, name=entry.name, color=entry.color) for entry in preset.classes
        ),
        labels=LabelsTable(train=LabelsConfig(file="train.tif"), test=LabelsConfig(file="test.tif")),
    )


def _readme(preset: Preset, command: str) -> str:
    return (
        f"# {preset.name} (simulated)\n\n"
        f"A simulated scene: not {preset.title}, only its sensors, classes and class balance.\n"
        "Every pixel is computed; `truth.tif` holds the class of all of them, where the legend has one.\n\n"
        f"Made by\n\n    {command}\n\nwhich gives the same bytes again on the same libraries.\n"
    )
