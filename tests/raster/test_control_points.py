"""Rasters whose place is ground control points: read where the points say, and said how well they agree."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

import geo_xmodal as gx
from geo_xmodal.errors import AlignmentError, RasterError
from geo_xmodal.raster.control_points import WarpGcps
from geo_xmodal.raster.mosaic import mosaic
from geo_xmodal.raster.reader import AlignedReader, aligned_reader
from geo_xmodal.types import Window
from tests.rasters import UTM33, position_values, utm_grid, write_raster

GRID = utm_grid(60, 50)
PIXELS = GeoBox((60, 50), Affine.identity(), None)
TURNED = GeoBox((60, 50), Affine(8, 6, 400_100, 6, -8, 4_999_900), UTM33)
CORNERS = [(0, 0), (50, 0), (0, 60), (50, 60)]
"""Columns and rows."""

Place = Callable[[float, float], tuple[float, float]]


def points_of(place: Place, pixels: Sequence[tuple[float, float]]) -> list[GroundControlPoint]:
    """A point at every (column, row), where `place` says that it lies."""
    return [GroundControlPoint(row, col, *place(col, row), 0) for col, row in pixels]


def write_by_points(
    path: Path,
    values: np.ndarray,
    points: list[GroundControlPoint],
    crs: str | None = UTM33,
    **profile: object,
) -> Path:
    count, height, width = values.shape
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype}
    with rasterio.open(path, "w", driver="GTiff", gcps=points, crs=crs, **shape, **profile) as dataset:
        dataset.write(values)
    return path


def on(grid: GeoBox) -> Place:
    return lambda col, row: grid.affine @ (col, row)


def whole(reader: AlignedReader) -> np.ndarray:
    return reader.read(Window(0, 0, *reader.grid.shape))


def about_place(reader: AlignedReader) -> str:
    (text,) = (one.text for one in reader.assumptions if one.code == "place")
    return text


@pytest.mark.parametrize("home", [GRID, TURNED], ids=["north-up", "turned"])
@pytest.mark.parametrize("pixels", [CORNERS[:3], CORNERS, [(c, r) for c in range(0, 50, 9) for r in (3, 50)]])
@pytest.mark.parametrize("method", ["polynomial", "tps"])
def test_points_of_an_affine_transform_are_that_transform(
    tmp_path: Path, home: GeoBox, pixels: list[tuple[float, float]], method: WarpGcps
) -> None:
    values = np.random.default_rng(0).gamma(4, 0.1, (2, 60, 50)).astype(np.float32)
    values[:, 20:24, 30:] = -9
    placed = write_raster(tmp_path / "placed.tif", values, home, nodata=-9)
    pointed = write_by_points(tmp_path / "pointed.tif", values, points_of(on(home), pixels), nodata=-9)
    np.testing.assert_array_equal(
        whole(aligned_reader(pointed, warp_gcps=method)), whole(aligned_reader(placed))
    )
    assert aligned_reader(pointed, warp_gcps=method).grid == aligned_reader(placed).grid == home
    others = [
        utm_grid(20, 18, size=30),
        utm_grid(70, 70, size=7, east=399_993.3),
        GeoBox((40, 40), Affine(1.7e-4, 0, 13.73, 0, -1.2e-4, 45.146), "EPSG:4326"),
    ]
    for grid in others:
        for resampling in (None, "nearest", "average", "mode"):
            one, other = (
                aligned_reader(path, grid=grid, kind="sar", resampling=resampling, warp_gcps=method)
                for path in (pointed, placed)
            )
            assert one.resampling == other.resampling
            assert np.isfinite(whole(one)).any()
            np.testing.assert_array_equal(whole(one), whole(other))
    text = about_place(aligned_reader(pointed, warp_gcps=method))
    assert text == (
        f"its place is {len(pixels)} ground control points, followed as asked by an affine transform that "
        "misses them by 0 pixels (RMS)"
    )


def test_skewed_points_against_positions_by_hand(tmp_path: Path) -> None:
    # x = 400000 + 9 col + 4 row, y = 5000000 + 2 col - 11 row: rows lean, columns climb
    pointed = write_by_points(
        tmp_path / "x.tif",
        position_values(PIXELS),
        points_of(lambda c, r: (400_000 + 9 * c + 4 * r, 5_000_000 + 2 * c - 11 * r), [*CORNERS, (21, 7)]),
    )
    grid = utm_grid(90, 90, size=10, east=399_950)
    read = whole(aligned_reader(pointed, grid=grid, resampling="nearest", warp_gcps="polynomial"))
    rows, cols = np.mgrid[:90, :90] + 0.5
    east, north = 399_950 + 10 * cols - 400_000, -10 * rows
    # Cramer's rule, determinant 9 * -11 - 4 * 2 = -107
    col, row = (-11 * east - 4 * north) / -107, (9 * north - 2 * east) / -107
    inside = (col > 0) & (col < 50) & (row > 0) & (row < 60)
    np.testing.assert_array_equal(np.isfinite(read[0]), inside)
    np.testing.assert_array_equal(read[0][inside], np.floor(row[inside]) + 0.5)
    np.testing.assert_array_equal(read[1][inside], np.floor(col[inside]) + 0.5)


BENT = (120, 150)


def bent(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of places: a polynomial of the second order that turns back far in the west."""
    u, v = (x - 400_000) / 10, (5_000_000 - y) / 10
    return u + 0.002 * u**2 + 0.05 * v, v - 0.001 * v**2 + 0.02 * u


def bent_file(folder: Path) -> Path:
    """Each pixel's row and column, and points at which the polynomial holds."""
    x, y = np.meshgrid(np.linspace(399_900, 401_200, 9), np.linspace(5_000_100, 4_998_500, 9))
    cols, rows = bent(x, y)
    points = [
        GroundControlPoint(*one, 0)
        for one in zip(*(values.ravel().tolist() for values in (rows, cols, x, y)), strict=True)
    ]
    return write_by_points(
        folder / "bent.tif", position_values(GeoBox(BENT, Affine.identity(), None)), points
    )


@pytest.mark.parametrize("method", ["polynomial", "tps"])
def test_a_curve_through_points_against_positions_by_formula(tmp_path: Path, method: WarpGcps) -> None:
    path = bent_file(tmp_path)
    grid = utm_grid(300, 900, size=10, east=393_000)  # the polynomial leads back into the image in the west
    reader = aligned_reader(path, grid=grid, resampling="nearest", warp_gcps=method)
    read = whole(reader)
    rows, cols = np.mgrid[:300, :900] + 0.5
    col, row = bent(393_000 + 10 * cols, 5_000_000 - 10 * rows)
    height, width = BENT
    edge = 1.0
    near = (cols > 650) & (rows < 200)
    inner = near & (col > edge) & (col < width - edge) & (row > edge) & (row < height - edge)
    outside = ~near | (col < -edge) | (col > width + edge) | (row < -edge) | (row > height + edge)
    assert inner.sum() > 5000
    assert np.isfinite(read[:, inner]).all() and np.isnan(read[:, outside]).all()
    missed = read[:, inner] - [row[inner], col[inner]]
    assert (
        np.abs(missed).max() < 0.5 + 0.25
    )  # within the pixel that it lies in; GDAL follows a curve to an eighth
    assert np.abs(missed.mean(axis=1)).max() < 0.08
    what = {"polynomial": "a polynomial of the second order", "tps": "a thin plate spline"}[method]
    text = f"81 ground control points, followed as asked by {what} that misses them by 0 pixels"
    assert text in about_place(reader)


@pytest.mark.parametrize("method", ["polynomial", "tps"])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "average"])
def test_windows_of_a_curve_are_parts_of_the_whole(tmp_path: Path, method: WarpGcps, resampling: str) -> None:
    path = bent_file(tmp_path)
    size = 31 if resampling == "average" else 4
    grid = GeoBox((420, 420), Affine(size, 0, 399_900, 0, -size, 5_000_100), UTM33)
    reader = aligned_reader(path, grid=grid, resampling=resampling, warp_gcps=method)  # type: ignore[arg-type]
    copy = pickle.loads(pickle.dumps(reader))
    expected = whole(reader)
    assert copy == reader and copy.identity() == reader.identity()
    for window in (Window(0, 0, 1, 420), Window(100, 37, 200, 300), Window(255, 255, 3, 3)):
        rows, cols = window.slices
        np.testing.assert_array_equal(copy.read(window), expected[:, rows, cols])
    around = copy.read(Window(10, 10, 5, 5), 12)
    np.testing.assert_array_equal(around[:, 2:, 2:], expected[:, :27, :27])
    assert np.isnan(around[:, :2]).all()


def test_a_file_alone_is_read_on_a_north_up_grid_of_its_pixels(tmp_path: Path) -> None:
    points = points_of(
        lambda c, r: (4e5 + 10 * c + 0.3 * r + 0.002 * c**2, 5e6 - 10 * r + 0.2 * c),
        [(c, r) for c in (0, 25, 50) for r in (0, 30, 60)],
    )
    path = write_by_points(tmp_path / "x.tif", position_values(PIXELS), points)
    reader = aligned_reader(path, warp_gcps="polynomial")
    affine = reader.grid.affine
    assert affine.b == affine.d == 0 and 9 < affine.a < 11 and -11 < affine.e < -9
    assert reader.resampling == "nearest"  # pixels of about the same size keep measured values
    values = whole(reader)
    known = values[np.isfinite(values)]
    assert set(np.unique(known % 1)) == {0.5}
    assert reader.on(utm_grid(40, 40, size=40)).resampling == "average"


def test_the_residual_is_that_of_least_squares(tmp_path: Path) -> None:
    # One of four corners is 4 pixels off: least squares misses each of them by one.
    points = points_of(on(GRID), CORNERS)
    points[3] = GroundControlPoint(60, 50, points[3].x + 40, points[3].y, 0)
    reader = aligned_reader(
        write_by_points(tmp_path / "x.tif", position_values(PIXELS), points), warp_gcps="polynomial"
    )
    assert isinstance(reader.source, GeoBox)
    missed = np.array([~reader.source.affine @ (one.x, one.y) for one in points]) - [
        (one.col, one.row) for one in points
    ]
    rms = np.sqrt((missed**2).sum(axis=1).mean())
    assert 0.9 < rms < 1.1
    assert f"misses them by {round(rms, 3):g} pixels (RMS)" in about_place(reader)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (points_of(on(GRID), CORNERS[:2]), r"has 2 ground control points, expected at least 3"),
        (
            points_of(on(GRID), [(k, 2 * k) for k in range(7)]),
            r"its 7 ground control points lie on a line, expected points that span an area",
        ),
        (
            points_of(lambda c, r: (4e5 + c + r, 5e6), CORNERS),
            r"its 4 ground control points lie on a line",
        ),
        (
            points_of(on(GRID), CORNERS[:3]) + points_of(lambda c, r: on(GRID)(0, 0), CORNERS[3:]),
            r"(its 4 ground control points contradict each other|cannot follow its 4 ground control points)",
        ),
        (points_of(lambda c, r: (np.nan, 1.0), CORNERS), r"is no number within 1e\+12"),
        (
            points_of(lambda c, r: (1e300 * c, 1e300 * r), CORNERS),
            r"coordinate that is no number within 1e\+12",
        ),
        (points_of(lambda c, r: (1e-200 * c, 1e-200 * r), CORNERS), r"expected points that span an area"),
    ],
    ids=["two", "a line of pixels", "a line of places", "two images", "no number", "far", "small"],
)
def test_points_that_tell_no_place_are_refused(
    tmp_path: Path, points: list[GroundControlPoint], message: str
) -> None:
    path = write_by_points(tmp_path / "x.tif", position_values(PIXELS), points)
    for method in ("polynomial", "tps"):
        with pytest.raises(RasterError, match=r"x\.tif: .*" + message) as refused:
            aligned_reader(path, warp_gcps=method)  # type: ignore[arg-type]
        assert "\n" not in str(refused.value)
    assert whole(aligned_reader(path)).shape == (2, 60, 50)  # its pixel grid needs no place


def test_points_on_both_sides_of_180_degrees_are_of_one_image(tmp_path: Path) -> None:
    def across(col: float, row: float) -> tuple[float, float]:
        return (179.75 + col / 100 + 180) % 360 - 180, 60 - row / 100

    path = write_by_points(
        tmp_path / "x.tif", position_values(PIXELS), points_of(across, CORNERS), "EPSG:4326"
    )
    reader = aligned_reader(path, warp_gcps="polynomial")
    np.testing.assert_allclose(tuple(reader.grid.affine)[:6], (0.01, 0, 179.75, 0, -0.01, 60), atol=1e-9)
    np.testing.assert_array_equal(whole(reader), position_values(PIXELS))


def test_a_polynomial_that_points_do_not_decide_is_refused(tmp_path: Path) -> None:
    # Six points on two lines leave a polynomial of the second order undecided.
    pixels = [(c, r) for c in (5, 40) for r in (0, 20, 60)]
    points = points_of(lambda c, r: (4e5 + 10 * c + 0.02 * r**2, 5e6 - 10 * r + 3 * c), pixels)
    path = write_by_points(tmp_path / "x.tif", position_values(PIXELS), points)
    with pytest.raises(RasterError, match=r"cannot follow its 6 ground control points: try tps"):
        aligned_reader(path, warp_gcps="polynomial")
    assert np.isfinite(whole(aligned_reader(path, warp_gcps="tps"))).any()


def test_points_without_a_crs_are_refused(tmp_path: Path) -> None:
    path = write_by_points(tmp_path / "x.tif", position_values(PIXELS), points_of(on(GRID), CORNERS))
    # The directory of keys that name a CRS (34735) becomes a tag that nobody knows.
    keys, unknown = struct.pack("<HH", 34735, 3), struct.pack("<HH", 34734, 3)
    content = path.read_bytes()
    assert content.count(keys) == 1
    path.write_bytes(content.replace(keys, unknown))
    with rasterio.open(path) as dataset:
        assert len(dataset.gcps[0]) == 4 and dataset.gcps[1] is None
    with pytest.raises(RasterError, match=r"its 4 ground control points have no CRS.*gdal_translate -a_srs"):
        aligned_reader(path, warp_gcps="polynomial")


def test_rational_polynomials_are_refused_with_the_command(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "x.tif", position_values(PIXELS), PIXELS)
    with rasterio.open(path, "r+") as dataset:
        ones = [1.0] * 20
        dataset.rpcs = RPC(0.0, 1.0, 50.0, 1.0, ones, ones, 10.0, 1.0, 20.0, 20.0, ones, ones, 20.0, 20.0)
    with pytest.raises(RasterError, match=r"\(RPC\), which need the height.*gdalwarp -rpc -to RPC_DEM="):
        aligned_reader(path, warp_gcps="polynomial")
    with pytest.raises(AlignmentError, match="has no CRS"):
        aligned_reader(path, grid=GRID)


def test_a_place_of_another_kind_stays(tmp_path: Path) -> None:
    placed = write_raster(tmp_path / "placed.tif", position_values(GRID), GRID)
    assert aligned_reader(placed, warp_gcps="tps").grid == GRID
    bare = write_raster(tmp_path / "bare.tif", position_values(PIXELS), PIXELS)
    assert "neither CRS nor place" in about_place(aligned_reader(bare, warp_gcps="tps"))


def test_tiles_by_points_are_put_side_by_side(tmp_path: Path) -> None:
    tiles = []
    for index in range(2):
        home = utm_grid(60, 50, east=400_000 + 500 * index)
        values = np.full((1, 60, 50), index + 1, np.float32)
        tiles.append(write_by_points(tmp_path / f"{index}.tif", values, points_of(on(home), CORNERS)))
    both = mosaic([(path.name, aligned_reader(path, warp_gcps="polynomial")) for path in tiles])
    expected = np.repeat([1.0, 2.0], 50)[np.newaxis, np.newaxis].repeat(60, axis=1)
    np.testing.assert_array_equal(both.read(Window(0, 0, 60, 100)), expected)
    with pytest.raises(AlignmentError, match=r"0\.tif: has 4 ground control points.*warp_gcps = polynomial"):
        mosaic([(path.name, aligned_reader(path)) for path in tiles])


def test_align_brings_sensors_and_labels_by_points_onto_the_grid(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    home, sensor = utm_grid(60, 60), utm_grid(40, 40, size=15)
    files = {
        "sar": (rng.gamma(4, 0.1, (2, 60, 60)).astype(np.float32), home),
        "hsi": (rng.random((5, 40, 40), np.float32), sensor),
        "labels": (np.kron(rng.integers(1, 4, (1, 10, 10)), np.ones((1, 6, 6))).astype(np.uint8), home),
    }
    scenes = {}
    for way in ("placed", "pointed"):
        folder = tmp_path / way
        folder.mkdir()
        for name, (values, grid) in files.items():
            if way == "placed":
                write_raster(folder / f"{name}.tif", values, grid)
            else:
                height, width = grid.shape
                corners = [(0, 0), (width, 0), (0, height)]
                write_by_points(folder / f"{name}.tif", values, points_of(on(grid), corners))
        scenes[way] = gx.align_scene(
            folder / "scene",
            reference=folder / "sar.tif",
            modalities={"hsi": folder / "hsi.tif"},
            labels={"all": folder / "labels.tif"},
            warp_gcps="polynomial",
        )
    everything = Window(0, 0, 60, 60)
    assert scenes["pointed"].grid == scenes["placed"].grid
    for name in ("sar", "hsi"):
        one, other = (scene.reader(name).read(everything) for scene in scenes.values())
        np.testing.assert_array_equal(one, other)
    one, other = (scene.read_labels("train", everything) for scene in scenes.values())
    np.testing.assert_array_equal(one, other)
    said = scenes["pointed"].reader("hsi").assumptions
    assert any("3 ground control points" in one.text for one in said)
    with pytest.raises(AlignmentError, match="warp_gcps"):
        gx.align_scene(
            tmp_path / "refused",
            reference=tmp_path / "placed" / "sar.tif",
            modalities={"hsi": tmp_path / "pointed" / "hsi.tif"},
        )


def test_a_scene_may_name_files_by_points(tmp_path: Path) -> None:
    values = np.random.default_rng(1).gamma(4, 0.1, (1, 60, 50)).astype(np.float32)
    write_by_points(tmp_path / "sar.tif", values, points_of(on(GRID), CORNERS))
    write_by_points(tmp_path / "labels.tif", np.full((1, 60, 50), 2, np.uint8), points_of(on(GRID), CORNERS))
    (tmp_path / "scene.toml").write_text(
        'name = "x"\ntarget = "sar"\n[modalities.sar]\nfile = "sar.tif"\nkind = "sar"\nwarp_gcps = "tps"\n'
        '[[classes]]\nid = 1\nname = "a"\ncolor = "#000000"\n'
        '[[classes]]\nid = 2\nname = "b"\ncolor = "#ffffff"\n'
        '[labels.train]\nfile = "labels.tif"\nwarp_gcps = "tps"\n'
        '[labels.test]\nfile = "labels.tif"\nwarp_gcps = "tps"\n',
        "utf-8",
    )
    scene = gx.open_scene(tmp_path)
    assert scene.grid == GRID
    np.testing.assert_array_equal(scene.reader("sar").read(Window(0, 0, 60, 50)), values)
    assert (scene.read_labels("train", Window(0, 0, 60, 50)) == 2).all()
