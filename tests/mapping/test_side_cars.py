"""What lies beside a map so that GDAL and QGIS show it right without an action of the user's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio

from geo_xmodal.bundle import Bundle
from geo_xmodal.mapping import map_scene
from geo_xmodal.raster.reader import AlignedReader
from tests.mapping.conftest import WriteInput, scene_values, with_holes
from tests.rasters import outline_area


@pytest.fixture
def reader(write_input: WriteInput) -> AlignedReader:
    return write_input(with_holes(scene_values((300, 420))))


def table(side_car: Path) -> dict[str, list[str]]:
    """The columns of the raster attribute table."""
    root = ElementTree.parse(side_car).find(".//GDALRasterAttributeTable")
    assert root is not None
    names = [node.text or "" for node in root.findall("FieldDefn/Name")]
    rows = [[cell.text or "" for cell in row.findall("F")] for row in root.findall("Row")]
    return {name: [row[column] for row in rows] for column, name in enumerate(names)}


def pixels(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read(1))


def test_the_table_counts_what_the_map_holds(
    cnn: Bundle, cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    map_scene(cnn_folder, reader, tmp_path / "map.tif", probability=True)
    ids, percent = pixels(tmp_path / "map.tif"), pixels(tmp_path / "map_probability.tif")
    columns = table(tmp_path / "map.tif.aux.xml")
    assert columns["Value"] == ["1", "2", "5", "9"]
    assert columns["Class"] == [entry.name for entry in cnn.card.classes]
    counts = [int((ids == value).sum()) for value in (1, 2, 5, 9)]
    assert columns["Count"] == [str(count) for count in counts]
    pixel = outline_area(reader.grid) / ids.size / 10_000
    areas = [float(area) for area in columns["Hectares"]]
    assert areas == pytest.approx([count * pixel for count in counts], rel=1e-5)
    assert pixel == pytest.approx(0.01, rel=1e-3)
    means = [percent[ids == value].mean() / 100 for value in (1, 2, 5, 9)]
    assert [float(mean) for mean in columns["MeanProbability"]] == pytest.approx(means, abs=6e-5)
    colors = zip(columns["Red"], columns["Green"], columns["Blue"], strict=True)
    assert ["#{:02x}{:02x}{:02x}".format(*map(int, color)) for color in colors] == [
        entry.color for entry in cnn.card.classes
    ]


def test_they_are_the_same_without_probability_whatever_the_windows_and_after_resume(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    map_scene(cnn_folder, reader, tmp_path / "map.tif", probability=True)
    expected = {name: (tmp_path / name).read_bytes() for name in ("map.tif.aux.xml", "map.qml")}

    def stop(done: int, total: int, message: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    for options in ({"window": 128}, {"window": 256, "workers": 1}, {"probability": True, "window": 384}):
        out = tmp_path / "again" / "map.tif"
        map_scene(cnn_folder, reader, out, **options)
        assert {name: out.with_name(name).read_bytes() for name in expected} == expected
    out = tmp_path / "resumed" / "map.tif"
    with pytest.raises(KeyboardInterrupt):
        map_scene(cnn_folder, reader, out, window=128, progress=stop)
    map_scene(cnn_folder, reader, out, window=128, resume=True)
    assert {name: out.with_name(name).read_bytes() for name in expected} == expected


def test_gdal_takes_them(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path, system_program: Callable[[str], str]
) -> None:
    map_scene(cnn_folder, reader, tmp_path / "map.tif", probability=True)
    ids, percent = pixels(tmp_path / "map.tif"), pixels(tmp_path / "map_probability.tif")
    for name, valid in (("map.tif", ids[ids > 0]), ("map_probability.tif", percent[percent != 255])):
        text = subprocess.run(
            [system_program("gdalinfo"), "-json", tmp_path / name], capture_output=True, check=True, text=True
        )
        assert text.stderr == ""
        band = json.loads(text.stdout)["bands"][0]
        assert (band["minimum"], band["maximum"]) == (valid.min(), valid.max())
        assert band["mean"] == pytest.approx(valid.mean(), rel=1e-3)
        assert band["stdDev"] == pytest.approx(valid.std(), rel=1e-3)
        told = band["metadata"][""]
        assert float(told["STATISTICS_VALID_PERCENT"]) == pytest.approx(100 * valid.size / ids.size)
    shown = subprocess.run(
        [system_program("gdalinfo"), tmp_path / "map.tif"], capture_output=True, check=True, text=True
    ).stdout
    assert "GDALRasterAttributeTable" in shown and "MeanProbability" in shown
    assert "2: Class & <2>" in shown
    assert "Color Table (RGB with 256 entries)" in shown


def test_an_empty_map_has_a_table_and_no_statistics(
    cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    empty = write_input(np.full((3, 40, 50), np.nan, np.float32))
    map_scene(cnn_folder, empty, tmp_path / "map.tif", probability=True)
    assert table(tmp_path / "map.tif.aux.xml")["Count"] == ["0"] * 4
    for name in ("map.tif.aux.xml", "map_probability.tif.aux.xml"):
        assert ElementTree.parse(tmp_path / name).find(".//MDI") is None


def test_without_a_place_on_earth_there_are_no_hectares(
    cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    reader = write_input(scene_values((40, 50)), crs=None)
    map_scene(cnn_folder, reader, tmp_path / "map.tif")
    columns = table(tmp_path / "map.tif.aux.xml")
    assert "Hectares" not in columns and sum(int(count) for count in columns["Count"]) == 2000


def test_a_journal_of_another_form_is_refused(
    cnn_folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    """Windows of a version that kept no sums must not be read as if they had them."""
    out = tmp_path / "map.tif"

    def stop(done: int, total: int, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_scene(cnn_folder, reader, out, window=128, progress=stop)
    journal = tmp_path / ".map.tif.partial" / "windows"
    header, _, rest = journal.read_bytes().partition(b"\n")
    identity = json.loads(header)
    del identity["payload"]
    journal.write_bytes(json.dumps(identity, sort_keys=True).encode() + b"\n" + rest)
    with pytest.raises(Exception, match="payload was None"):
        map_scene(cnn_folder, reader, out, window=128, resume=True)
