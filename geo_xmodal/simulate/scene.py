"""A simulated scene folder, made window by window."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from geo_xmodal.errors import OutputError, UsageError
from geo_xmodal.scenes.config import (
    ClassConfig,
    LabelsConfig,
    LabelsTable,
    ModalityConfig,
    SceneConfig,
    write_config,
)
from geo_xmodal.simulate import lidar, optical, sar
from geo_xmodal.simulate.files import color_table, created
from geo_xmodal.simulate.layout import Layout
from geo_xmodal.simulate.lidar import LIDAR_BANDS, LidarSensor
from geo_xmodal.simulate.optical import NODATA, OpticalSensor
from geo_xmodal.simulate.preset import Modality, Preset
from geo_xmodal.simulate.presets import PRESETS
from geo_xmodal.simulate.reference import GAP, TestPolygons, choose_training, scaled_counts
from geo_xmodal.simulate.sampling import PixelGrid, ground
from geo_xmodal.simulate.sar import SAR_BANDS, SarSensor
from geo_xmodal.types import ClassArray, Kind, Progress, Window, windows_over

SMALLEST = 64
"""Least rows and columns of a scene."""

LARGEST = 100_000
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
    out: Path,
    like: str,
    rows: int | None = None,
    cols: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Make a scene folder whose truth is known.

    The folder holds `scene.toml`, one GeoTIFF a modality, `train.tif` and `test.tif`, the class of every pixel
    in `truth.tif`, and a README with the command that makes the same bytes again. Memory does not grow with
    the size of the scene.

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
    if like not in PRESETS:
        raise UsageError(f"--like {like}: unknown kind of scene; known: {', '.join(sorted(PRESETS))}")
    preset = PRESETS[like]
    rows, cols = preset.rows if rows is None else rows, preset.cols if cols is None else cols
    for option, value in (("--rows", rows), ("--cols", cols)):
        if not SMALLEST <= value <= LARGEST:
            raise UsageError(f"{option} {value}: a simulated scene has {SMALLEST} to {LARGEST} {option[2:]}")
    if not 0 <= seed < 2**31:
        raise UsageError(f"--seed {seed}: expected 0 to {2**31 - 1}")
    out = Path(out)
    with _folder(out) as folder:
        _Simulation(preset, rows, cols, seed).write(folder, progress)
    return out


@contextlib.contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that becomes `out` when all went well, and is removed when not."""
    temporary: Path | None = None
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OutputError(f"{out}: exists and is not an empty folder; name another, or remove it first")
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        temporary.chmod(0o755)
        yield temporary
        temporary.replace(out)
    except (OSError, RasterioError) as error:
        raise OutputError(f"{out}: cannot be written: {error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@dataclass(frozen=True)
class _Simulation:
    preset: Preset
    rows: int
    cols: int
    seed: int

    @property
    def layout(self) -> Layout:
        extent = min(self.rows, self.cols) * self.preset.modalities[self.preset.target].pixel
        # small scenes get small districts, or they would hold a single class
        return self.preset.layout(self.seed, float(np.clip(extent / self.preset.full_extent, 0.25, 1.0)))

    @property
    def grid(self) -> PixelGrid:
        return PixelGrid(0.0, 0.0, self.preset.modalities[self.preset.target].pixel, self.rows, self.cols)

    def grid_of(self, modality: Modality) -> PixelGrid:
        """The grid of a modality; one of other pixels than the target's lies a fraction of a pixel off."""
        grid = self.grid
        if modality.pixel == grid.pixel and modality.strip == 1.0:
            return grid
        left, top = 0.13 * modality.pixel, 0.31 * modality.pixel
        return PixelGrid(
            left,
            top,
            modality.pixel,
            int((grid.rows * grid.pixel - top) / modality.pixel),
            int((grid.cols * grid.pixel * modality.strip - left) / modality.pixel),
        )

    @property
    def strip(self) -> Window:
        """The target's pixels that every modality covers whole."""
        rich = [
            self.grid_of(modality) for modality in self.preset.modalities.values() if modality.strip < 1.0
        ]
        top, left = max(grid.top for grid in rich), max(grid.left for grid in rich)
        bottom = min(grid.top + grid.rows * grid.pixel for grid in rich)
        right = min(grid.left + grid.cols * grid.pixel for grid in rich)
        first_row, first_col = int(np.ceil(top / self.grid.pixel)), int(np.ceil(left / self.grid.pixel))
        last_row, last_col = int(bottom / self.grid.pixel), int(right / self.grid.pixel)
        return Window(first_row, first_col, last_row - first_row, last_col - first_col)

    @property
    def test_area(self) -> Window:
        """East of the strip, so far that no test pixel is near a pixel that has both sensors."""
        first = self.strip.col + self.strip.width + 1 + GAP
        return Window(0, first, self.rows, self.cols - first)

    def write(self, folder: Path, progress: Progress | None) -> None:
        whole = [(self.rows, self.cols, _BLOCK)] * 3
        for modality in self.preset.modalities.values():
            grid = self.grid_of(modality)
            whole.append((grid.rows, grid.cols, _block(modality)))
        steps = _Steps(sum(-(-r // block) * -(-c // block) for r, c, block in whole), progress)
        for name, modality in self.preset.modalities.items():
            self._write_modality(folder / f"{name}.tif", name, modality, steps)
        with tempfile.TemporaryDirectory(prefix="ranks.", dir=folder) as scratch:
            self._write_labels(folder, Path(scratch) / "ranks.tif", steps)
        write_config(_config(self.preset, self.command), folder)
        (folder / "README.md").write_text(_readme(self.preset, self.command), encoding="utf-8", newline="\n")

    @property
    def command(self) -> str:
        """What makes the same bytes."""
        return (
            f"geo-xmodal simulate OUT --like {self.preset.name} "
            f"--rows {self.rows} --cols {self.cols} --seed {self.seed}"
        )

    def _write_modality(self, path: Path, name: str, modality: Modality, steps: _Steps) -> None:
        sensor, grid, layout, block = modality.sensor, self.grid_of(modality), self.layout, _block(modality)
        spectral: dict[str, Any] = {}
        match sensor:
            case OpticalSensor():
                bands = tuple(f"{nm:g} nm" for nm in sensor.wavelengths)
                spectral = {"wavelengths": sensor.wavelengths, "widths": sensor.widths, "nodata": NODATA}
            case SarSensor():
                bands = SAR_BANDS
            case LidarSensor():
                bands = LIDAR_BANDS
        dtype = "int16" if isinstance(sensor, OpticalSensor) else "float32"
        with created(path, self.preset, grid, bands, dtype, block=block, **spectral) as dataset:
            for window in windows_over(grid.rows, grid.cols, block):
                match sensor:
                    case OpticalSensor():
                        dataset.write(optical.observe(layout, sensor, grid, window), window=_raster(window))
                    case SarSensor():
                        dataset.write(sar.observe(layout, sensor, grid, window), window=_raster(window))
                    case LidarSensor():
                        dataset.write(lidar.observe(layout, sensor, grid, window), window=_raster(window))
                steps(f"{name}: {grid.rows} x {grid.cols} pixels")

    def _write_labels(self, folder: Path, ranks: Path, steps: _Steps) -> None:
        preset, grid, layout = self.preset, self.grid, self.layout
        area = self.test_area
        ids = [entry.id for entry in preset.classes]
        total = sum(preset.test)
        weights = {class_id: count / total for class_id, count in zip(ids, preset.test, strict=True)}
        polygons = TestPolygons(preset.test_share, weights)
        with (
            self._label_file(folder / "truth.tif") as truth,
            created(ranks, preset, grid, ["rank"], "uint8", block=_BLOCK) as rank_file,
        ):
            for window in windows_over(self.rows, self.cols, _BLOCK):
                land = ground(layout, grid, window, 1, 0)
                rank = (land.parcel >> np.uint32(24)).astype(np.uint8)
                truth.write(land.cover.label, 1, window=_raster(window))
                rank_file.write(rank, 1, window=_raster(window))
                inside = slice(max(area.col - window.col, 0), None)
                polygons.count(land.cover.label[:, inside], rank[:, inside])
                steps("truth")
        polygons.settle()
        share = self.rows * self.cols / preset.table_pixels
        with rasterio.open(folder / "truth.tif") as truth, rasterio.open(ranks) as rank_file:

            def read(window: Window) -> ClassArray:
                return np.asarray(truth.read(1, window=_raster(window)))

            chosen = choose_training(read, self.strip, ids, scaled_counts(preset.train, share), self.seed)
            with (
                self._label_file(folder / "test.tif") as test,
                self._label_file(folder / "train.tif") as train,
            ):
                for window in windows_over(self.rows, self.cols, _BLOCK):
                    labels = polygons.keep(read(window), rank_file.read(1, window=_raster(window)))
                    labels[:, : max(area.col - window.col, 0)] = 0
                    test.write(labels, 1, window=_raster(window))
                    steps("test labels")
                    train.write(_placed(chosen.position, chosen.label, window), 1, window=_raster(window))
                    steps("training labels")

    @contextlib.contextmanager
    def _label_file(self, path: Path) -> Iterator[Any]:
        with created(path, self.preset, self.grid, ["class"], "uint8", block=_BLOCK, nodata=0) as dataset:
            dataset.write_colormap(1, color_table(self.preset.classes))
            yield dataset


def _block(modality: Modality) -> int:
    """Side of tiles: smaller where a pixel has hundreds of bands."""
    return 64 if isinstance(modality.sensor, OpticalSensor) else _BLOCK


def _raster(window: Window) -> rasterio.windows.Window:
    return rasterio.windows.Window(window.col, window.row, window.width, window.height)


def _placed(position: np.ndarray[Any, Any], label: ClassArray, window: Window) -> ClassArray:
    """Labels of pixels at `position` (n, 2) that lie in `window`, 0 elsewhere."""
    rows, cols = position[:, 0] - window.row, position[:, 1] - window.col
    inside = (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
    out = np.zeros((window.height, window.width), np.uint8)
    out[rows[inside], cols[inside]] = label[inside]
    return out


def _kind(modality: Modality) -> Kind:
    match modality.sensor:
        case SarSensor():
            return "sar"
        case LidarSensor():
            return "lidar"
        case OpticalSensor() as sensor:
            return "hsi" if len(sensor.wavelengths) > 20 else "msi"


def _config(preset: Preset, command: str) -> SceneConfig:
    return SceneConfig(
        name=preset.name,
        description=f"Simulated; not {preset.title}, only its sensors, classes and balance. Made by: {command}",
        simulated=True,
        target=preset.target,
        modalities={
            name: ModalityConfig(file=f"{name}.tif", kind=_kind(modality), sensor=modality.sensor.name)
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
