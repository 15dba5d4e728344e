"""A map with another legend: names, colours and merged classes reach the file and all that lies beside it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from geo_xmodal.errors import LabelError, RasterError, UsageError
from geo_xmodal.mapping.attribute_table import read_class_names
from geo_xmodal.mapping.geotiff import legend_tag
from geo_xmodal.scenes.config import read_classes, read_map_classes
from geo_xmodal.scenes.known_legends import KNOWN_LEGENDS
from geo_xmodal.types import LandClass
from tests.rasters import utm_grid, write_raster
from tests.tiny import write_scene

GRID = utm_grid(60, 50)
LEGEND = (
    LandClass(1, "Oak", "#117733"),
    LandClass(2, "Beech", "#44aa99"),
    LandClass(5, "Water", "#2171b5"),
)


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    """Ten rows of class 1, ten of 2, twenty of 5, and the rest without data."""
    values = np.zeros((1, 60, 50), np.uint8)
    values[0, :10], values[0, 10:20], values[0, 20:40] = 1, 2, 5
    path = write_raster(tmp_path / "map.tif", values, GRID, nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(METHOD="svm", CLASS_SHARES="{}", **legend_tag(LEGEND))
    return path


def shown(path: Path) -> dict[int, tuple[str, str]]:
    """Name and colour of each class, on which legend, names, colour table and style agree."""
    with gx.open_raster(path) as dataset:
        legend = {one.id: (one.name, one.color) for one in gx.read_legend(dataset)}
        colors = {id_: "#{:02x}{:02x}{:02x}".format(*dataset.colormap(1)[id_][:3]) for id_ in legend}
    names = {id_: name for id_, name in read_class_names(path).items() if id_ in legend}
    entries = ElementTree.parse(path.with_suffix(".qml")).iter("paletteEntry")
    style = {int(one.attrib["value"]): (one.attrib["label"], one.attrib["color"]) for one in entries}
    assert style == legend == {id_: (names[id_], colors[id_]) for id_ in legend}
    return legend


def ids(path: Path) -> np.ndarray:
    with gx.open_raster(path) as dataset:
        return dataset.read(1)


def test_classes_are_merged_renamed_and_left_out(map_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    made = gx.export_map(map_file, out, reclass={"Oak": "Forest", "2": "forest", "water": ""})
    assert shown(out) == {1: ("Forest", "#117733")} and made.pixels == {1: 1000}
    np.testing.assert_array_equal(ids(out), np.where(ids(map_file) == 5, 0, np.minimum(ids(map_file), 1)))
    with gx.open_raster(out) as dataset:
        assert dataset.tags()["METHOD"] == "svm" and "CLASS_SHARES" not in dataset.tags()
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    joined = gx.export_map(map_file, tmp_path / "joined.tif", reclass={"Oak": "Beech"})
    assert shown(joined.out) == {2: ("Beech", "#44aa99"), 5: ("Water", "#2171b5")}


def test_names_and_colours_of_a_list(map_file: Path, tmp_path: Path) -> None:
    entries = [(1, "A", "#010203"), (2, "B", "#040506"), (5, "C", "#070809")]
    text = "".join(f'[[classes]]\nid = {i}\nname = "{n}"\ncolor = "{c}"\n' for i, n, c in entries)
    (tmp_path / "list.toml").write_text(text)
    gx.export_map(map_file, tmp_path / "out.tif", classes=tmp_path / "list.toml")
    assert shown(tmp_path / "out.tif") == {i: (n, c) for i, n, c in entries}
    np.testing.assert_array_equal(ids(tmp_path / "out.tif"), ids(map_file))
    with pytest.raises(RasterError, match=r"value 1 .* is not in worldcover"):
        gx.export_map(map_file, tmp_path / "none.tif", classes="worldcover")


def test_a_map_in_a_known_legend(map_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "--map", str(map_file), "--to", "geotiff", "--out", str(tmp_path / "out.tif")]
    words += ["--classes=worldcover", "--reclass=Oak=Tree cover", "--reclass=Beech=10"]
    assert run(words) == 2
    assert "class 'Water' of the map becomes none of worldcover" in capsys.readouterr().err
    assert run([*words, "--reclass=Water=permanent water bodies"]) == 0
    legend = shown(tmp_path / "out.tif")
    assert legend[10] == ("Tree cover", "#006400") and legend[80] == ("Permanent water bodies", "#0064c8")
    assert len(legend) == 11
    assert dict(zip(*np.unique(ids(tmp_path / "out.tif"), return_counts=True), strict=True)) == {
        0: 1000, 10: 1000, 80: 1000
    }  # fmt: skip
    made = gx.export_map(
        map_file,
        tmp_path / "dw.tif",
        classes="dynamic-world",
        reclass={"Oak": "Trees", "Beech": "Trees", "Water": "0"},
    )
    assert made.pixels[1] == 1000 and next(one for one in made.classes if one.name == "Water").id == 9


def test_small_areas_join_their_neighbours(map_file: Path, tmp_path: Path) -> None:
    values = ids(map_file)[np.newaxis]
    values[0, 5:7, 5:7] = 5  # four pixels of 100 m2 each
    with rasterio.open(map_file, "r+") as dataset:
        dataset.write(values)
    for size in ({"sieve": 5}, {"mmu": 0.05}):
        made = gx.export_map(map_file, tmp_path / "out.tif", **size)
        assert made.merged_pixels == 4 and made.pixels == {1: 500, 2: 500, 5: 1000}
        assert (ids(made.out)[5:7, 5:7] == 1).all()
    assert gx.export_map(map_file, tmp_path / "all.tif", sieve=4).merged_pixels == 0
    joined = gx.export_map(map_file, tmp_path / "f.tif", reclass={"Oak": "Beech"}, sieve=600)
    assert joined.merged_pixels == 4  # areas of the new classes count


def test_layers_of_an_older_map_of_that_name_go(tmp_path: Path) -> None:
    scene = gx.open_scene(write_scene(tmp_path / "tiny"))
    gx.train_scene(scene, tmp_path / "run", gx.TrainRequest(method="svm"))
    reader = scene.reader("sar")
    for name, entropy in (("new.tif", False), ("old.tif", True)):
        gx.map_scene(tmp_path / "run", reader, tmp_path / name, entropy=entropy)
    mine = tmp_path / "old_probability.tif"
    mine.write_text("of the user")
    gx.export_map(tmp_path / "new.tif", tmp_path / "old.tif", reclass={"Wheat": "Field"})
    assert sorted(path.name for path in tmp_path.glob("old*")) == [
        "old.qml", "old.tif", "old.tif.aux.xml", "old_probability.tif",
    ]  # fmt: skip
    assert mine.read_text() == "of the user"


def test_what_cannot_be_is_said(map_file: Path, tmp_path: Path) -> None:
    for reclass, why in (
        ({"Pine": "Forest"}, "the map has no class 'Pine'.*1 Oak, 2 Beech, 5 Water"),
        (dict.fromkeys(("1", "2", "5"), ""), "no class is left"),
    ):
        with pytest.raises(LabelError, match=why):
            gx.export_map(map_file, tmp_path / "out.tif", reclass=reclass)
    for out in (map_file, tmp_path / "out.png"):
        with pytest.raises(UsageError):
            gx.export_map(map_file, out)
    assert ids(map_file).max() == 5 and not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("name", "id_", "title", "color"),
    [
        ("corine", 41, "Water bodies", "#80f2e6"),
        ("worldcover", 40, "Cropland", "#f096ff"),
        ("nlcd", 73, "Lichens", "#a3cc51"),
        ("dynamic-world", 3, "Flooded vegetation", "#7a87c6"),
    ],
)
def test_known_legends_are_those_published(name: str, id_: int, title: str, color: str) -> None:
    assert (id_, title, color) in KNOWN_LEGENDS[name]


def test_known_legends_are_sound() -> None:
    """Ids, names and colours come once; and one known answer of each."""
    counts = {name: len(entries) for name, entries in KNOWN_LEGENDS.items()}
    assert counts == {"corine": 44, "dynamic-world": 9, "nlcd": 20, "worldcover": 11}
    for name, entries in KNOWN_LEGENDS.items():
        assert all(len(set(column)) == len(entries) for column in zip(*entries, strict=True))
        assert len(read_map_classes(Path(name))) == len(entries)
    assert {one.id: one.name for one in read_classes(Path("corine"))}[24] == "Coniferous forest"
    assert {one.id: one.color for one in read_classes(Path("nlcd"))}[42] == "#1c5f2c"
