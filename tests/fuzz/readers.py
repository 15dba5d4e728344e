"""Every reader of files that a user hands over, with files that it takes, and how those are mutated."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from unittest import mock

import geopandas
import numpy as np
import pandas
import rasterio
import scipy.io
import shapely
import torch
from safetensors.torch import save

import geo_xmodal as gx
from geo_xmodal import bundle
from geo_xmodal.comparison.features import kept_features
from geo_xmodal.comparison.noise import LEVELS, kept_levels
from geo_xmodal.dependence.arrays import read_pairs
from geo_xmodal.export.model_text import accuracy_text
from geo_xmodal.mapping.journal import Journal
from geo_xmodal.mapping.layers import Layers, pack_window, unpack_layer, unpack_sums
from geo_xmodal.mapping.shares import read_shares
from geo_xmodal.mapping.sources import map_input
from geo_xmodal.networks import NetworkSpec, PixelModel
from geo_xmodal.published.envi import open_envi
from geo_xmodal.published.matfile import list_variables, read_variable
from geo_xmodal.published.regions import read_regions
from geo_xmodal.raster import CHIP_FORMATS, file_window, open_raster, read_window
from geo_xmodal.raster.ground import pixel_areas
from geo_xmodal.raster.labels import read_labels
from geo_xmodal.raster.reader import aligned_reader
from geo_xmodal.scenes.config import LabelsConfig, read_classes
from geo_xmodal.simulate.response_files import read_response
from geo_xmodal.training.checkpoint import read_checkpoint, restore_learner, restore_optimizer
from geo_xmodal.training.experiment import brief
from geo_xmodal.training.files import RunLog
from geo_xmodal.types import Window
from geo_xmodal_app import unpacking
from geo_xmodal_app.inspection import inspect_labels, inspect_raster
from tests.chips import sets
from tests.fuzz import mutations, web
from tests.fuzz.mutations import Mutation
from tests.points import tables
from tests.published.copies import write_mat73
from tests.rasters import utm_grid, write_raster
from tests.small_trees import small_trees
from tests.tiny import SCENE
from tests.training_data import CLASSES, identity_statistics

GRID = utm_grid(40, 30)
WINDOW = Window(0, 0, 40, 30)
LAYERS = Layers(probability=True)
WHAT = {"model": "a"}
OPTIONS = {"kernels": [3], "widths": [4], "embedding": 4}
LABELS = LabelsConfig(file="x", column="class")


@dataclass(frozen=True)
class Reader:
    """A reader of one kind of file.

    Attributes:
        file: What the mutated file is called, below the folder that `seed` fills.
        seed: Makes sound files in a folder.
        read: Reads the file in its folder, as the commands and pages do.
        mutations: How the file is changed.
        again: Makes the folder sound around a changed file: signs a card anew, say.
    """

    file: str
    seed: Callable[[Path], object]
    read: Callable[[Path], object]
    mutations: tuple[Mutation, ...]
    again: Callable[[Path], object] = lambda folder: None


def model() -> PixelModel:
    """A small model with random weights."""
    torch.manual_seed(1)
    return PixelModel(NetworkSpec("pixel_cnn", OPTIONS), identity_statistics(2), len(CLASSES)).eval()


def card() -> bundle.Card:
    """The card of `model`."""
    return bundle.Card(
        method="hgr",
        network=bundle.NetworkEntry(name="pixel_cnn", options=OPTIONS),
        margin=1,
        target=bundle.describe_target("sar", "sar", "made up", identity_statistics(2)),
        classes=tuple(bundle.ClassEntry(id=c.id, name=c.name, color=c.color) for c in CLASSES),
        resolution=(10.0, 10.0),
        resolution_unit="m",
        scene="test",
        simulated=True,
    )


def raster(path: Path, count: int = 2, **profile: object) -> Path:
    """A small GeoTIFF with some values missing."""
    values = np.random.default_rng(0).normal(size=(count, 40, 30)).astype(np.float32)
    values[:, :3] = np.nan
    return write_raster(path, values, GRID, blockxsize=16, blockysize=16, nodata=np.nan, **profile)


def label_raster(path: Path) -> Path:
    """Class ids in stripes, of which 0 is none."""
    values = (np.arange(40)[:, None] // 10 * np.ones(30, int))[None].astype(np.uint8)
    return write_raster(path, values, GRID, blockxsize=16, blockysize=16, nodata=0)


@cache
def label_frame() -> geopandas.GeoDataFrame:
    """Squares of two classes on the grid."""
    boxes = [shapely.box(400_010 + 90 * k, 4_999_700, 400_080 + 90 * k, 4_999_900) for k in range(3)]
    return geopandas.GeoDataFrame({"class": ["a", "b", "a"]}, geometry=boxes, crs=GRID.crs.to_wkt())


def read_vector(path: Path) -> None:
    """What align, train, the pages and `map --area` read of a vector."""
    gx.open_layer(path)
    gx.label_values(path, "class")
    read_labels(LABELS, path, GRID, CLASSES, WINDOW)
    from geo_xmodal.mapping.area import cut_to_area

    cut_to_area(aligned_reader(path.with_name("grid.tif"), kind="sar"), path)


def vector_seed(path: Path, driver: str) -> None:
    """A vector of labels beside a raster that it lies on."""
    raster(path.with_name("grid.tif"), compress=None)
    frame = label_frame()
    if driver == "GPKG":
        frame.to_file(path, driver=driver, layer="labels", layer_options={"GEOMETRY_NAME": "geom"})
    else:
        frame.to_crs(4326).to_file(path, driver=driver)


def kml_seed(path: Path) -> None:
    """Polygons as places of folders."""
    raster(path.with_name("grid.tif"), compress=None)
    places = []
    for _, row in label_frame().to_crs(4326).iterrows():
        corners = " ".join(f"{x},{y},0" for x, y in row.geometry.exterior.coords)
        places.append(
            f"<Folder><name>{row['class']}</name><Placemark><name>a</name><ExtendedData><Data name='class'>"
            f"<value>{row['class']}</value></Data></ExtendedData><Polygon><outerBoundaryIs><LinearRing>"
            f"<coordinates>{corners}</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Folder>"
        )
    path.write_text(f"<?xml version='1.0'?><kml><Document>{''.join(places)}</Document></kml>")


def label_table(path: Path) -> None:
    """Points on the grid."""
    centres = label_frame().centroid
    values = label_frame()["class"]
    rows = [f"{one.x},{one.y},{value}" for one, value in zip(centres, values, strict=True)]
    path.write_text("\n".join(["x,y,class", *rows]))


def read_table(path: Path) -> None:
    """What align and the pages read of points in a text table."""
    hints = gx.VectorHints("EPSG:32633")
    gx.table_columns(path)
    gx.label_values(path, "class", hints=hints)
    read_labels(LABELS.model_copy(update={"crs": hints.crs}), path, GRID, CLASSES, WINDOW)


def zipped_seed(path: Path) -> None:
    """A zipped shapefile."""
    inside = path.with_name("inside")
    inside.mkdir()
    vector_seed(inside / "labels.shp", "ESRI Shapefile")
    (inside / "grid.tif").rename(path.with_name("grid.tif"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(inside.iterdir()):
            out.write(file, file.name)


def read_raster(path: Path) -> None:
    """What info, align, train, map and the pages read of a raster."""
    gx.describe_raster(path)
    aligned_reader(path, kind="sar").read(Window(-3, -3, 20, 20))
    aligned_reader(path, grid=utm_grid(30, 30, 7.0), kind="sar").read(Window(0, 0, 16, 16))
    inspect_raster(path, path.name)


def read_label_raster(path: Path) -> None:
    """What align, train, evaluate and the pages read of labels in a raster."""
    gx.label_values(path)
    read_labels(LABELS.model_copy(update={"column": None}), path, GRID, CLASSES, WINDOW)
    inspect_labels(path, path.name)


def scene_seed(folder: Path) -> None:
    """A scene folder; its rasters are not read by what reads its settings."""
    (folder / "scene.toml").write_text(SCENE)
    for name in ("sar", "hsi"):
        raster(folder / f"{name}.tif")
    for name in ("train", "test"):
        label_raster(folder / f"{name}.tif")


def sources_seed(folder: Path) -> None:
    """A scene that refers to its files."""
    scene_seed(folder)
    text = SCENE.replace('file = "sar.tif"', 'files = ["sar.tif"]')
    (folder / "scene.toml").write_text(text.replace('file = "hsi.tif"', 'files = ["hsi.tif"]'))


def read_sources(folder: Path) -> None:
    """What training reads of a scene's sensors."""
    scene = gx.open_scene(folder)
    for name in scene.config.modalities:
        scene.reader(name).read(WINDOW)


def chips_seed(folder: Path) -> None:
    """A set of two chips: radar as GeoTIFF, colours and labels as PNG."""
    sets.fields(folder, train=1, test=1, side=12)


def read_chips(folder: Path) -> None:
    """What info and training read of a set of chips."""
    gx.survey_chips(gx.open_chips(folder))


def image_seed(path: Path, driver: str) -> None:
    """A picture of three colours."""
    values = np.arange(3 * 24 * 20, dtype=np.uint8).reshape(3, 24, 20)
    sets.write(path, values, driver)


def read_image(path: Path) -> None:
    """What a chip reads of an image."""
    with open_raster(path, formats=CHIP_FORMATS) as dataset:
        read_window(dataset, dataset.indexes, file_window(Window(0, 0, 16, 16)))


def sign(folder: Path) -> None:
    """Write the sum of changed weights into the card."""
    content = json.loads((folder / "card.json").read_text())
    content["weights_sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "card.json").write_text(json.dumps(content))


def trees_seed(folder: Path) -> None:
    """A model of a few trees."""
    trees = small_trees(identity_statistics(2), len(CLASSES), trees=3)
    entry = bundle.NetworkEntry(name=trees.spec.name, options=dict(trees.spec.options))
    bundle.save(folder, trees, card().model_copy(update={"network": entry, "margin": trees.margin}))


def read_trees(folder: Path) -> None:
    """The model, and what it says of some pixels."""
    trees = bundle.load(folder).model
    side = 2 * trees.margin + 4
    x = torch.randn(1, trees.bands, side, side, generator=torch.Generator().manual_seed(0))
    assert trees.probabilities(x).isfinite().all()


def checkpoint_seed(folder: Path) -> None:
    """Where a run of `model` stands, with the state of Adam."""
    learner = model()
    optimizer = torch.optim.Adam(learner.parameters())
    for weight in learner.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    tensors = {f"learner.{name}": value for name, value in learner.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    content = save({k: v.contiguous() for k, v in tensors.items()}, {"mark": "m", "stage": "0", "epoch": "1"})
    (folder / "checkpoint.safetensors").write_bytes(content)


def read_run(folder: Path) -> None:
    """What `train --resume` does with a checkpoint."""
    found = read_checkpoint(folder, "m")
    if found is not None:
        learner = model()
        restore_learner(found[1], learner)
        optimizer = torch.optim.Adam(learner.parameters())
        restore_optimizer(found[1], optimizer)
        for weight in learner.parameters():
            weight.grad = torch.ones_like(weight)
        optimizer.step()


def journal_seed(folder: Path) -> None:
    """An unfinished map of two windows."""
    ids, half = np.ones((8, 8), np.uint8), np.full((8, 8), 0.5, np.float32)
    areas = pixel_areas(utm_grid(8, 16))
    with Journal(folder / "windows", WHAT, resume=False, begun=date(2026, 1, 2)) as made:
        for window in range(2):
            payload = pack_window(LAYERS, areas, Window(0, 8 * window, 8, 8), ids, half, None)
            made.append(window, payload)


def read_journal(path: Path) -> None:
    """What `map --resume` does with finished windows."""
    with Journal(path, WHAT, resume=True, begun=date(2026, 1, 2)) as found:
        for window in (0, 1):
            if window in found.finished:
                with found.damaged():
                    payload = found.read(window)
                    unpack_sums(LAYERS, payload)
                    for name in LAYERS.names:
                        unpack_layer(LAYERS, payload, name, Window(0, 0, 8, 8))


def read_noise(path: Path) -> None:
    """What `compare --study noise` does with what it measured before."""
    kept = kept_levels(path, "m", [0.5, 2.0])
    if kept is not None:
        for level in LEVELS:
            brief([kept[str(level)]])


def list_seed(folder: Path) -> None:
    """A list of two tiles."""
    for number, east in enumerate((400_000.0, 400_300.0)):
        values = np.ones((2, 40, 30), np.float32)
        write_raster(folder / f"{number}.tif", values, utm_grid(40, 30, east=east))
    (folder / "tiles.txt").write_text("# tiles\n0.tif\n1.tif\n")


def zip_seed(folder: Path) -> None:
    """A packed model."""
    bundle.save(folder / "model", model(), card())
    with zipfile.ZipFile(folder / "model.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("model.safetensors", "card.json"):
            archive.write(folder / "model" / name, f"model/{name}")
    shutil.rmtree(folder / "model")


def read_zip(path: Path) -> None:
    """An upload, checked in this process: one that imports PyTorch for each file would take days."""
    out = path.with_name("out")
    shutil.rmtree(out, ignore_errors=True)
    with mock.patch.object(unpacking, "_check_model", lambda folder, out: gx.load_bundle(folder)):
        unpacking.unpack_bundle(path, out, path.name)


def mat_seed(path: Path) -> None:
    """An array, a struct with a cell, a text: as MATLAB 5."""
    inner = np.empty(2, object)
    inner[:] = [np.arange(4.0), np.eye(2)]
    scipy.io.savemat(
        path, {"hsi": np.arange(24.0).reshape(2, 3, 4), "s": {"a": inner, "b": "text"}}, do_compression=True
    )


def read_mat(path: Path) -> None:
    """What `import` does with the variables of a MATLAB file."""
    for name in ("hsi", "s.a[0]", *(variable.name for variable in list_variables(path))):
        try:
            read_variable(path, name)
        except gx.GeoXmodalError as error:
            if name != "hsi":
                continue
            raise error


def envi_seed(folder: Path) -> None:
    """Pixels and header as ENVI has them."""
    with rasterio.open(
        folder / "x.dat", "w", driver="ENVI", count=2, height=4, width=5, dtype="float32", crs="EPSG:32633",
        transform=GRID.affine,
    ) as dataset:  # fmt: skip
        dataset.write(np.ones((2, 4, 5), np.float32))


def read_envi(header: Path) -> None:
    """What `import` does with an ENVI file."""
    with open_envi(header.with_suffix(".dat"), header) as dataset:
        dataset.read()
        dataset.tags(1)


def npy_seed(folder: Path) -> None:
    """Paired samples."""
    values = np.random.default_rng(0).normal(size=(20, 4))
    np.save(folder / "x.npy", values)
    np.save(folder / "y.npy", values[:, :2])


RESPONSE = {
    "name": "sensor",
    "features": [
        {"properties": {"name": f"B{k}", "response": {"x": [500 + k, 510 + k, 520 + k], "y": [0, 1, 0.5]}}}
        for k in range(3)
    ],
}
TABLE = "wavelength nm,B1,B2\n500,0,1\n510,1,0.5\n520,0.5,0\n"
REGIONS = (
    "; ENVI Output of ROIs (4.8)\n; Number of ROIs: 2\n; File Dimension: 5 x 4\n;\n"
    "; ROI name: Soil\n; ROI npts: 2\n; ROI name: Water\n; ROI npts: 1\n; ID X Y\n 1 1 1\n 2 2 1\n\n 1 5 4\n"
)
METRICS = {
    "oa": 0.5, "aa": 0.5, "kappa": 0.1, "n": 12, "split": "test", "confusion": [[1, 2], [3, 4]],
    "mean": {"oa": 0.5}, "sd": {"oa": 0.1}, "seeds": [{"oa": 0.5}, {"oa": 0.4}],
}  # fmt: skip
FEATURES = {
    "mark": "m", "seed": 3, "labels": [1, 4, 4], "places": [[0.5, 1.0], [-2.25, 3.0], [0.0, 0.0]],
    "embedding": True,
}  # fmt: skip
MEASURED = {"seed": 3, "oa": 0.5, "aa": 0.4, "kappa": 0.1, "miou": None, "macro_f1": 0.4, "ece": 0.01}
NOISE = {"mark": "m", "power": [0.5, 2.0], "levels": {str(level): MEASURED for level in LEVELS}}
LOG = "".join(json.dumps({"stage": "a", "epoch": k, "loss": {"label": 0.5}}) + "\n" for k in (1, 2, 3))


def points_table() -> pandas.DataFrame:
    return tables.table(places=6, each=4, unlabelled=1)


def geo_table() -> geopandas.GeoDataFrame:
    frame = points_table()
    return geopandas.GeoDataFrame(
        frame.drop(columns=["lon", "lat"]),
        geometry=shapely.points(frame["lon"], frame["lat"]),
        crs="EPSG:4326",
    )


def read_points(path: Path, **changes: object) -> None:
    """As `import points` does, into a folder beside that goes again."""
    out = path.parent / "made"
    shutil.rmtree(out, ignore_errors=True)
    gx.import_points(path, out, tables.request(**changes))


def legend_seed(folder: Path) -> None:
    tables.write_csv(points_table(), folder / "x.csv")
    (folder / "legend.csv").write_text("class,name\ncrop,Crop\nforest,Forest\nwater,Water\n")


_B, _J, _T = mutations.damaged, mutations.json_text, mutations.text

READERS: Mapping[str, Reader] = {
    "geotiff": Reader(
        "x.tif", lambda f: raster(f / "x.tif"), lambda f: read_raster(f / "x.tif"), (_B, mutations.tiff)
    ),
    "geotiff-strips": Reader(
        "x.tif",
        lambda f: write_raster(
            f / "x.tif",
            np.ones((3, 40, 30), np.uint16),
            GRID,
            tiled=False,
            blockxsize=None,
            blockysize=None,
            compress="lzw",
            interleave="pixel",
        ),
        lambda f: read_raster(f / "x.tif"),
        (_B, mutations.tiff),
    ),
    "label-raster": Reader(
        "x.tif",
        lambda f: label_raster(f / "x.tif"),
        lambda f: read_label_raster(f / "x.tif"),
        (_B, mutations.tiff),
    ),
    "geopackage": Reader(
        "x.gpkg",
        lambda f: vector_seed(f / "x.gpkg", "GPKG"),
        lambda f: read_vector(f / "x.gpkg"),
        (_B, mutations.geopackage, mutations.geopackage),
    ),
    "points-csv": Reader(
        "x.csv",
        lambda f: tables.write_csv(points_table(), f / "x.csv"),
        lambda f: read_points(f / "x.csv"),
        (_B, _T, mutations.csv_cells, mutations.csv_cells),
    ),
    "points-parquet": Reader(
        "x.parquet",
        lambda f: tables.write_parquet(points_table(), f / "x.parquet"),
        lambda f: read_points(f / "x.parquet"),
        (_B, mutations.parquet, mutations.parquet),
    ),
    "points-geoparquet": Reader(
        "x.parquet",
        lambda f: geo_table().to_parquet(f / "x.parquet", compression="zstd"),
        lambda f: read_points(f / "x.parquet", places=None, cells=0.1),
        (_B, mutations.parquet, mutations.parquet),
    ),
    "points-geopackage": Reader(
        "x.gpkg",
        lambda f: geo_table().to_file(f / "x.gpkg", engine="pyogrio", layer="labels"),
        lambda f: read_points(f / "x.gpkg", places=None, cells=0.1),
        (_B, mutations.geopackage, mutations.geopackage),
    ),
    "points-legend": Reader(
        "legend.csv",
        legend_seed,
        lambda f: read_points(f / "x.csv", legend=f / "legend.csv"),
        (_B, _T, mutations.csv_cells),
    ),
    "geojson": Reader(
        "x.geojson",
        lambda f: vector_seed(f / "x.geojson", "GeoJSON"),
        lambda f: read_vector(f / "x.geojson"),
        (_B, _J, _J),
    ),
    "shapefile": Reader(
        "x.shp",
        lambda f: vector_seed(f / "x.shp", "ESRI Shapefile"),
        lambda f: read_vector(f / "x.shp"),
        (_B,),
    ),
    "shapefile-table": Reader(
        "x.dbf",
        lambda f: vector_seed(f / "x.shp", "ESRI Shapefile"),
        lambda f: read_vector(f / "x.shp"),
        (_B,),
    ),
    "kml": Reader("x.kml", lambda f: kml_seed(f / "x.kml"), lambda f: read_vector(f / "x.kml"), (_B, _T, _T)),
    "label-csv": Reader(
        "x.csv",
        lambda f: label_table(f / "x.csv"),
        lambda f: read_table(f / "x.csv"),
        (_B, _T, mutations.csv_cells),
    ),
    "vector-zip": Reader(
        "x.zip", lambda f: zipped_seed(f / "x.zip"), lambda f: read_vector(f / "x.zip"), (_B,)
    ),
    "reclass": Reader(
        "x.csv",
        lambda f: (f / "x.csv").write_text("value,class\n1,Forest\n2,\n"),
        lambda f: gx.read_reclass(f / "x.csv"),
        (_B, _T, mutations.csv_cells),
    ),
    "scene.toml": Reader("scene.toml", scene_seed, gx.open_scene, (_B, mutations.toml, mutations.toml)),
    "scene-sources": Reader("scene.toml", sources_seed, read_sources, (_B, mutations.toml, mutations.toml)),
    "chips.toml": Reader("chips.toml", chips_seed, read_chips, (_B, mutations.toml, mutations.toml)),
    "chip-png": Reader(
        "x.png", lambda f: image_seed(f / "x.png", "PNG"), lambda f: read_image(f / "x.png"), (_B,)
    ),
    "chip-jpeg": Reader(
        "x.jpg", lambda f: image_seed(f / "x.jpg", "JPEG"), lambda f: read_image(f / "x.jpg"), (_B,)
    ),
    "chip-jp2": Reader(
        "x.jp2", lambda f: image_seed(f / "x.jp2", "JP2OpenJPEG"), lambda f: read_image(f / "x.jp2"), (_B,)
    ),
    "class-list": Reader(
        "classes.toml",
        lambda f: (f / "classes.toml").write_text(SCENE),
        lambda f: read_classes(f / "classes.toml"),
        (_B, mutations.toml),
    ),
    "known-areas": Reader(
        "areas.csv",
        lambda f: (f / "areas.csv").write_text("id,share\n1,0.25\n2,0.75\n"),
        lambda f: read_shares(f / "areas.csv"),
        (_B,),
    ),
    "card": Reader("card.json", lambda f: bundle.save(f, model(), card()), bundle.load, (_B, _J, _J)),
    "weights": Reader(
        "model.safetensors",
        lambda f: bundle.save(f, model(), card()),
        bundle.load,
        (_B, mutations.tensors),
        sign,
    ),
    "trees": Reader(
        "model.safetensors",
        trees_seed,
        read_trees,
        (_B, mutations.tensors, mutations.tensor_values, mutations.tensor_values),
        sign,
    ),
    "trees-card": Reader("card.json", trees_seed, read_trees, (_B, _J, _J)),
    "checkpoint": Reader("checkpoint.safetensors", checkpoint_seed, read_run, (_B, mutations.tensors)),
    "journal": Reader(
        "windows", journal_seed, lambda f: read_journal(f / "windows"), (_B, mutations.journal)
    ),
    "log": Reader(
        "log.jsonl",
        lambda f: (f / "log.jsonl").write_text(LOG),
        lambda f: RunLog(f / "log.jsonl").read(),
        (_B, _T),
    ),
    "metrics": Reader(
        "metrics.json",
        lambda f: (f / "metrics.json").write_text(json.dumps(METRICS)),
        lambda f: accuracy_text(f, {}),
        (_B, _J),
    ),
    "features": Reader(
        "features.json",
        lambda f: (f / "features.json").write_text(json.dumps(FEATURES)),
        lambda f: kept_features(f / "features.json", "m", 3, [1, 4, 4]),
        (_B, _J),
    ),
    "noise": Reader(
        "noise.json",
        lambda f: (f / "noise.json").write_text(json.dumps(NOISE)),
        lambda f: read_noise(f / "noise.json"),
        (_B, _J),
    ),
    "job": Reader(web.JOB, web.job_seed, web.read_jobs, (_B, _J, _J)),
    "announcement": Reader("announcement.json", web.announcement_seed, web.announce, (_B, _J, _J)),
    "request": Reader("request.http", web.request_seed, web.send_slice, (_B, _T)),
    "mat5": Reader(
        "x.mat", lambda f: mat_seed(f / "x.mat"), lambda f: read_mat(f / "x.mat"), (_B, mutations.mat5)
    ),
    "mat73": Reader(
        "hsi.mat",
        lambda f: write_mat73(f, "hsi", "hsi", np.ones((2, 4, 5))),
        lambda f: read_mat(f / "hsi.mat"),
        (_B,),
    ),
    "envi": Reader("x.hdr", envi_seed, lambda f: read_envi(f / "x.hdr"), (_B, _T)),
    "regions": Reader(
        "x.txt",
        lambda f: (f / "x.txt").write_text(REGIONS),
        lambda f: read_regions(f / "x.txt", ("Soil", "Water")),
        (_B, _T),
    ),
    "npy": Reader(
        "x.npy", npy_seed, lambda f: read_pairs(f / "x.npy", f / "y.npy", None, 100, 0), (_B, mutations.npy)
    ),
    "response-geojson": Reader(
        "x.geojson",
        lambda f: (f / "x.geojson").write_text(json.dumps(RESPONSE)),
        lambda f: read_response(f / "x.geojson"),
        (_B, _J),
    ),
    "response-csv": Reader(
        "x.csv", lambda f: (f / "x.csv").write_text(TABLE), lambda f: read_response(f / "x.csv"), (_B, _T)
    ),
    "tile-list": Reader("tiles.txt", list_seed, lambda f: map_input([f / "tiles.txt"], card()), (_B, _T)),
    "zip": Reader("model.zip", zip_seed, lambda f: read_zip(f / "model.zip"), (_B, mutations.zip_file)),
}
"""All readers, by name."""
