"""Small models and inputs on disk: what mapping works on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from affine import Affine
from odc.geo.geobox import GeoBox

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle, Card, ClassEntry, NetworkEntry, describe_target
from geo_xmodal.networks import NetworkSpec, PixelModel, linear_model
from geo_xmodal.raster.reader import AlignedReader, aligned_reader
from geo_xmodal.types import BandStatistics, Kind
from tests import rasters

UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
COLORS = ("#1b7837", "#d73027", "#4575b4", "#fee08b", "#762a83", "#f46d43", "#999999", "#313695")


def statistics(bands: int) -> BandStatistics:
    """Values pass unchanged but for a mean of 0.5."""
    return BandStatistics(
        bands=tuple(f"b{band}" for band in range(bands)),
        transform=("identity",) * bands,
        scale=(1.0,) * bands,
        low=(-1e9,) * bands,
        high=(1e9,) * bands,
        mean=(0.5,) * bands,
        std=(1.0,) * bands,
    )


def card_of(model: PixelModel, ids: tuple[int, ...], kind: Kind = "sar") -> Card:
    spec = model.spec
    return Card(
        method="cnn",
        network=NetworkEntry(name=spec.name, options=dict(spec.options)),
        margin=model.margin,
        target=describe_target("radar", kind, "a sensor", model.standardize.statistics),
        classes=tuple(
            ClassEntry(id=value, name=f"Class & <{value}>", color=color)
            for value, color in zip(ids, COLORS, strict=False)
        ),
        resolution=(10.0, 10.0),
        resolution_unit="m",
        scene="a place",
        simulated=True,
    )


def random_model(bands: int = 3, classes: int = 4, seed: int = 0) -> PixelModel:
    """A small convolutional network that has seen `scene_values`, and gives all classes there."""
    torch.manual_seed(seed)
    spec = NetworkSpec("pixel_cnn", {"widths": (8, 8), "kernels": (5, 3), "embedding": 8, "contrasts": (7,)})
    model = PixelModel(spec, statistics(bands), classes)
    model.train()
    seen = torch.from_numpy(scene_values((64, 64), bands))[None]
    for _ in range(20):
        model(seen)
    model.eval()
    last = model.network.head[-1]
    with torch.no_grad():
        last.weight *= 8
        last.bias -= model(seen).mean(dim=(0, 2, 3))
    return model


def position_model(classes: int) -> PixelModel:
    """One class a value 0, 1, 2, ... of its one band: logit k, 2kx - k^2, is largest at x = k."""
    k = np.arange(classes, dtype=np.float64)
    return linear_model(statistics(1), 2 * k[:, None], 2 * k * 0.5 - k**2)


@pytest.fixture
def cnn() -> Bundle:
    model = random_model()
    return Bundle(card_of(model, (1, 2, 5, 9)), model)


@pytest.fixture
def cnn_folder(cnn: Bundle, tmp_path: Path) -> Path:
    bundle.save(tmp_path / "model", cnn.model, cnn.card)
    return tmp_path / "model"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a file system of so many bytes."""
    folder = tmp_path / "disk"

    def mount(size: int) -> Path:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount a small disk")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


WriteInput = Callable[..., AlignedReader]


@pytest.fixture
def write_input(tmp_path: Path) -> WriteInput:
    """Write (band, row, col) values as a GeoTIFF and read it, as radar unless told otherwise."""

    def write(
        values: npt.NDArray[np.float32],
        name: str = "input.tif",
        transform: Affine = UTM,
        crs: str | None = "EPSG:32633",
        kind: Kind = "sar",
    ) -> AlignedReader:
        grid = GeoBox(values.shape[1:], transform, crs)
        tiles = {"blockxsize": 128, "blockysize": 128, "compress": "none"}
        path = rasters.write_raster(tmp_path / name, values, grid, nodata=np.nan, **tiles)
        return aligned_reader(path, kind=kind)

    return write


def scene_values(shape: tuple[int, int], bands: int = 3, seed: int = 1) -> npt.NDArray[np.float32]:
    """Blobs with noise, so that a network sees several classes."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    waves = [np.sin(rows / (9 + 4 * band)) + np.cos(cols / (7 + 3 * band)) for band in range(bands)]
    return (np.stack(waves) + rng.normal(0, 0.5, (bands, *shape))).astype(np.float32)


def with_holes(values: npt.NDArray[np.float32], seed: int = 2) -> npt.NDArray[np.float32]:
    """Missing pixels: scattered in single bands, a block in all, and everything at the left."""
    rng = np.random.default_rng(seed)
    values = values.copy()
    values[rng.random(values.shape) < 0.02] = np.nan
    values[:, 20:60, 70:110] = np.nan
    values[:, :, :5] = np.nan
    return values
