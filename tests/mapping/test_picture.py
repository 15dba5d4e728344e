from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from matplotlib.figure import Figure
from matplotlib.image import imread
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import OutputError, RasterError
from geo_xmodal.mapping import map_scene, quicklook, save_picture
from geo_xmodal.mapping.geotiff import legend_tag
from geo_xmodal.types import LandClass
from tests import rasters, tiny
from tests.mapping.conftest import WriteInput, scene_values, with_holes

LEGEND = (LandClass(1, "One", "#ff0000"), LandClass(7, "Seven", "#0000ff"))
WHITE, RED, BLUE = (255, 255, 255), (255, 0, 0), (0, 0, 255)


def test_array_in_its_colours() -> None:
    picture = quicklook(np.array([[0, 1], [7, 1]], np.uint8), LEGEND)
    np.testing.assert_array_equal(picture, [[WHITE, RED], [BLUE, RED]])


def test_array_is_made_smaller_by_the_most_frequent_class() -> None:
    ids = np.zeros((4, 5), np.uint8)
    ids[:2, :2] = [[7, 7], [7, 1]]
    ids[2, 0] = 1  # one of four: the rest is no data
    ids[:, 4] = 7
    picture = quicklook(ids, LEGEND, max_side=3)
    np.testing.assert_array_equal(picture, [[BLUE, WHITE, BLUE], [RED, WHITE, BLUE]])


def test_array_needs_a_legend() -> None:
    with pytest.raises(ValueError, match="legend"):
        quicklook(np.zeros((2, 2), np.uint8))


@pytest.fixture
def made(cnn_folder: Path, write_input: WriteInput, tmp_path: Path) -> Path:
    map_scene(cnn_folder, write_input(with_holes(scene_values((600, 900)))), tmp_path / "map.tif")
    return tmp_path / "map.tif"


def test_file_looks_as_its_array(made: Path) -> None:
    with rasterio.open(made) as dataset:
        ids = dataset.read(1)
    legend = [
        LandClass(1, "", "#1b7837"),
        LandClass(2, "", "#d73027"),
        LandClass(5, "", "#4575b4"),
        LandClass(9, "", "#fee08b"),
    ]
    np.testing.assert_array_equal(quicklook(made), quicklook(ids, legend))
    small = quicklook(made, max_side=450)
    assert small.shape == (300, 450, 3)
    assert (small == quicklook(ids, legend, max_side=450)).all(axis=2).mean() > 0.8  # ties are free
    assert quicklook(made, max_side=100).shape == (67, 100, 3)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", None])
def test_picture_is_written_whole_and_the_same_again(
    crs: str | None, cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    transform = Affine(1e-4, 0, 15, 0, -1e-4, 52) if crs == "EPSG:4326" else Affine(10, 0, 5e5, 0, -10, 5e6)
    reader = write_input(scene_values((120, 160)), transform=transform, crs=crs)
    map_scene(cnn_folder, reader, tmp_path / "map.tif")
    save_picture(tmp_path / "map.tif", tmp_path / "new" / "map.png", title="A map")
    first = (tmp_path / "new" / "map.png").read_bytes()
    save_picture(tmp_path / "map.tif", tmp_path / "new" / "map.png", title="A map")
    assert (tmp_path / "new" / "map.png").read_bytes() == first
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["map.png"]
    pixels = (imread(tmp_path / "new" / "map.png")[:, :, :3] * 255).round().astype(int)
    for color in ((0x1B, 0x78, 0x37), (0xD7, 0x30, 0x27)):
        assert (pixels == color).all(axis=2).sum() > 1000


@pytest.mark.parametrize(("crs", "of"), [("EPSG:4326", "area"), (None, "pixels")])
def test_legend_tells_shares_of_the_area(
    crs: str | None, of: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = np.repeat(np.array([0, 1, 1, 7, 7], np.uint8), 20)[:, None] * np.ones((1, 50), np.uint8)
    grid = GeoBox(ids.shape, Affine(0.5, 0, 10, 0, -0.5, 80), crs)
    path = rasters.write_raster(tmp_path / "map.tif", ids[None], grid, nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(**legend_tag(LEGEND))
    drawn: list[Figure] = []
    saved = Figure.savefig
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda figure, *words, **options: (drawn.append(figure), saved(figure, *words, **options)),
    )
    save_picture(path, tmp_path / "map.png")
    legend = drawn[0].axes[0].get_legend()
    assert legend.get_title().get_text() == f"share of the {of}"
    north, south = (
        rasters.outline_area(grid[rows]) if crs else 1 for rows in (slice(20, 60), slice(60, 100))
    )
    assert [text.get_text() for text in legend.get_texts()] == [
        f"One  {north / (north + south):.1%}",
        f"Seven  {south / (north + south):.1%}",
    ]
    assert (north < 0.45 * (north + south)) == (crs is not None)


def test_scale_bar_and_north_are_drawn_where_there_is_a_crs(
    cnn_folder: Path, write_input: WriteInput, tmp_path: Path
) -> None:
    """The same pixels with and without CRS differ outside the map only, and do differ there."""
    pictures = []
    for crs in ("EPSG:32633", None):
        reader = write_input(scene_values((120, 160)), crs=crs)
        map_scene(cnn_folder, reader, tmp_path / "map.tif")
        save_picture(tmp_path / "map.tif", tmp_path / "map.png")
        pictures.append(imread(tmp_path / "map.png")[:, :, :3])
    dark = [(picture.max(axis=2) < 0.4).sum() for picture in pictures]
    assert dark[0] > dark[1] + 500


def test_everything_drawn_is_on_the_picture(tmp_path: Path) -> None:
    """Ink never touches the edge, however long a name and however many the classes."""
    ids = np.ones((90, 60), np.uint8)
    for name, legend in {
        "long": (LandClass(1, "Residential and commercial area with many old trees " * 3, "#1b7837"),),
        "many": tuple(LandClass(one, f"class {one}", "#1b7837") for one in range(1, 120)),
    }.items():
        path = tiny.write_raster(tmp_path / f"{name}.tif", ids)
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(**legend_tag(legend))
        save_picture(path, path.with_suffix(".png"), title="A map")
        picture = imread(path.with_suffix(".png"))[:, :, :3]
        edges = (picture[:3], picture[-3:], picture[:, :3], picture[:, -3:])
        assert all((edge == 1).all() for edge in edges), name
        assert max(picture.shape[:2]) < 5000


def test_unwritable_or_unreadable_is_one_line(made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*map.png"):
        save_picture(made, tmp_path / "file" / "map.png")
    with pytest.raises(RasterError):
        save_picture(tmp_path / "absent.tif", tmp_path / "map.png")
    with pytest.raises(RasterError, match="expected one band of uint8"):
        save_picture(tmp_path / "input.tif", tmp_path / "map.png")
    rasters.write_raster(
        tmp_path / "bare.tif", np.ones((1, 4, 4), np.uint8), GeoBox((4, 4), Affine.identity(), None)
    )
    with pytest.raises(RasterError, match="no legend"):
        save_picture(tmp_path / "bare.tif", tmp_path / "map.png")
