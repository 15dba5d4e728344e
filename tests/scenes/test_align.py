from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.control import GroundControlPoint

from geo_xmodal.commands.app import run
from geo_xmodal.errors import AlignmentError, GeoXmodalError, LabelError, OutputError, RasterError, UsageError
from geo_xmodal.raster.files import describe_raster
from geo_xmodal.raster.reader import aligned_reader
from geo_xmodal.scenes.align import align_scene
from geo_xmodal.scenes.label_summary import label_report
from geo_xmodal.scenes.reclass import read_reclass
from geo_xmodal.scenes.scene import open_scene
from geo_xmodal.types import Window
from tests import tiny
from tests.rasters import (
    UTM33,
    WGS84,
    position_values,
    turned_grid,
    utm_grid,
    write_positions,
    write_raster,
)

GRID = utm_grid(300, 280)
WHOLE = Window(0, 0, 300, 280)
DEGREES = GeoBox((120, 140), Affine(1e-4, 0, 13.73, 0, -1e-4, 45.145), WGS84)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """SAR on the reference grid, HSI of another CRS over part of it, and labels as raster and as vector."""
    folder = tmp_path / "given"
    folder.mkdir()
    ids = np.zeros((1, 300, 280), np.uint8)
    ids[0, 10:20, 10:20], ids[0, 100:130, 100:130] = 2, 5
    boxes = [
        shapely.box(400_000 + x, 4_999_000 + y, 400_400 + x, 4_999_400 + y) for x, y in ((0, 0), (900, 300))
    ]
    frame = geopandas.GeoDataFrame({"class": ["Water", "Forest"]}, geometry=boxes, crs="EPSG:32633")
    frame.to_crs(WGS84).to_file(folder / "polygons.gpkg", driver="GPKG")
    hsi = write_positions(folder / "enmap_level2.tif", DEGREES)
    with rasterio.open(hsi, "r+") as dataset:
        for band, wavelength in ((1, "0.45"), (2, "2.2")):
            dataset.update_tags(band, wavelength=wavelength, wavelength_units="Micrometers")
    return {
        "sar": write_raster(folder / "S1_vv.tif", position_values(GRID), GRID),
        "hsi": hsi,
        "raster": write_raster(folder / "classes.tif", ids, GRID, nodata=0),
        "vector": folder / "polygons.gpkg",
    }


def test_scene_of_two_crs_and_vector_labels(tmp_path: Path, files: dict[str, Path]):
    seen: list[tuple[int, int]] = []
    scene = align_scene(
        tmp_path / "my scene",
        reference=files["sar"],
        modalities={"hsi": files["hsi"]},
        labels={"all": f"{files['vector']}:class"},
        copy=True,
        progress=lambda done, total, message: seen.append((done, total)),
    )
    assert scene.folder == tmp_path / "my scene"
    assert (scene.name, scene.target, scene.auxiliary_modalities) == ("my-scene", "sar", ("hsi",))
    assert {name: one.kind for name, one in scene.config.modalities.items()} == {"sar": "sar", "hsi": "hsi"}
    assert scene.grid == GRID
    assert [entry.name for entry in scene.classes] == ["Forest", "Water"]
    np.testing.assert_array_equal(scene.reader("sar").read(WHOLE), position_values(GRID))
    written, direct = scene.reader("hsi"), aligned_reader(files["hsi"], grid=GRID, kind="hsi")
    assert written.resampling is None
    np.testing.assert_array_equal(written.read(WHOLE), direct.read(WHOLE))
    assert np.isfinite(written.read(WHOLE)).mean() > 0.1
    labels = scene.read_labels("all", WHOLE)
    ids = {entry.name: entry.id for entry in scene.classes}
    assert (labels[62:98, 2:38] == ids["Water"]).all()
    assert (labels[32:68, 92:128] == ids["Forest"]).all()
    assert np.count_nonzero(labels) == pytest.approx(2 * 40 * 40, rel=0.02)
    assert seen == [(step, seen[-1][1]) for step in range(1, len(seen) + 1)] and seen[-1][0] == seen[-1][1]
    assert scene.config.split is not None


def test_files_of_the_scene(tmp_path: Path, files: dict[str, Path]):
    out = tmp_path / "scene"
    small = write_positions(tmp_path / "small.tif", utm_grid(20, 20, east=402_600))
    align_scene(
        out,
        reference=files["sar"],
        modalities={"hsi": files["hsi"], "lidar": small},
        labels={"train": files["raster"], "test": files["raster"]},
        copy=True,
    )
    names = {"scene.toml", "sar.tif", "hsi.tif", "lidar.tif", "labels_train.tif", "labels_test.tif"}
    assert {path.name for path in out.iterdir()} == names
    assert out.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    hsi, lidar = describe_raster(out / "hsi.tif"), describe_raster(out / "lidar.tif")
    assert hsi.wavelengths == (450, 2200)
    assert hsi.block == (256, 256) and hsi.compression == "deflate"
    assert hsi.nodata is not None and np.isnan(hsi.nodata)
    # Only the tiles that the file touches.
    assert (lidar.height, lidar.width) == (256, 24)
    with rasterio.open(out / "labels_train.tif") as dataset:
        assert dataset.dtypes == ("uint8",) and dataset.nodata == 0
        assert dataset.colormap(1)[2] == (0x33, 0x22, 0x88, 255)
        assert set(np.unique(dataset.read(1))) == {0, 2, 5}


def test_decibels_become_power(tmp_path: Path, files: dict[str, Path]):
    decibels = write_raster(tmp_path / "s1_db.tif", np.full((1, 60, 50), -20, np.float32), utm_grid())
    with pytest.raises(UsageError, match=r"s1_db\.tif: .* decibels.* give scale=db"):
        align_scene(tmp_path / "refused", reference=decibels, modalities={})
    for copy, held in ((False, "db"), (True, "linear")):
        out = tmp_path / f"scene {copy}"
        scene = align_scene(out, reference=decibels, modalities={}, scale="db", copy=copy)
        assert scene.config.modalities["sar"].scale == held
        np.testing.assert_allclose(scene.reader("sar").read(Window(0, 0, 60, 50)), 0.01, rtol=1e-6)


def test_scale_without_sar_is_refused(tmp_path: Path, files: dict[str, Path]):
    with pytest.raises(UsageError, match="no modality is of kind sar"):
        align_scene(tmp_path / "out", reference=files["hsi"], modalities={}, scale="db")


@pytest.mark.parametrize(
    ("key", "file", "expected"),
    [
        ("hsi2", "x.tif", "hsi"),
        ("optical", "S2A_MSIL2A_20200101.tif", "msi"),
        ("optical", "LandsatScene.tif", "msi"),
        ("heights", "berlin_DSM.tif", "lidar"),
        ("auxiliary", "PRISMA_cube.tif", "hsi"),
        ("auxiliary", "tile_17.tif", "other"),
        ("optical", "demand.tif", "other"),
    ],
)
def test_kinds_that_names_tell(tmp_path: Path, key: str, file: str, expected: str):
    reference = write_positions(tmp_path / "S1Hand.tif", utm_grid())
    path = write_positions(tmp_path / file, utm_grid())
    scene = align_scene(tmp_path / "scene", reference=reference, modalities={key: path})
    assert (scene.target, scene.config.modalities[key].kind) == ("sar", expected)


def test_kinds_that_are_given(tmp_path: Path, files: dict[str, Path]):
    scene = align_scene(
        tmp_path / "scene",
        reference=files["sar"],
        modalities={"a": files["sar"], "b": files["hsi"]},
        kinds={"a": "msi"},
    )
    assert scene.target == "a"
    assert [one.kind for one in scene.config.modalities.values()] == ["msi", "hsi"]
    with pytest.raises(UsageError, match="kind 'radar' is not one of"):
        align_scene(tmp_path / "x", reference=files["sar"], modalities={}, kinds={"sar": "radar"})  # type: ignore[dict-item]


def test_classes_of_another_scene(tmp_path: Path, files: dict[str, Path]):
    classes = tmp_path / "classes.toml"
    classes.write_text(
        "[[classes]]\nid = 5\nname = 'Forest'\ncolor = '#00ff00'\n"
        "[[classes]]\nid = 9\nname = 'Water'\ncolor = '#0000ff'\n"
    )
    labels = {"train": f"{files['vector']}:class"}
    given = {"reference": files["sar"], "modalities": {}, "classes": classes}
    scene = align_scene(tmp_path / "scene", labels=labels, **given)
    assert set(np.unique(scene.read_labels("train", WHOLE))) <= {0, 5, 9}
    assert set(np.unique(scene.read_labels("all", WHOLE))) == {0, 5, 9}
    with pytest.raises(LabelError, match="values outside the class list: '2'"):
        align_scene(tmp_path / "other", labels={"train": files["raster"]}, **given)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("grid", [GRID, turned_grid(GRID, 20), GeoBox((300, 280), Affine.identity(), None)])
def test_any_grid_may_be_the_reference(tmp_path: Path, grid: GeoBox):
    reference = write_positions(tmp_path / "sar.tif", grid)
    part = write_positions(
        tmp_path / "hsi.tif", GeoBox((50, 40), grid.translate_pix(200, 100).affine, grid.crs)
    )
    ids = np.ones((1, 300, 280), np.uint8)
    ids[0, 150:] = 2
    labels = write_raster(tmp_path / "ids.tif", ids, grid)
    scene = align_scene(
        tmp_path / "scene", reference=reference, modalities={"hsi": part}, labels={"all": labels}
    )
    assert scene.grid == grid
    hsi = scene.reader("hsi").read(WHOLE)
    np.testing.assert_array_equal(hsi[:, 100:150, 200:240], position_values(utm_grid(50, 40)))
    assert np.isfinite(hsi[0]).sum() == 50 * 40
    np.testing.assert_array_equal(scene.read_labels("all", WHOLE), ids[0])


def test_the_same_files_give_the_same_bytes(tmp_path: Path, files: dict[str, Path]):
    for name in ("a", "b"):
        align_scene(
            tmp_path / name,
            reference=files["sar"],
            modalities={"hsi": files["hsi"]},
            labels={"all": files["raster"]},
            name="one",
        )
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_far_file_is_refused_with_both_extents(tmp_path: Path, files: dict[str, Path]):
    far = write_positions(tmp_path / "far.tif", utm_grid(east=700_000))
    with pytest.raises(AlignmentError, match=r"far\.tif: does not overlap.* 700000 .* 400000 ") as caught:
        align_scene(tmp_path / "out", reference=files["sar"], modalities={"hsi": far})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_file_without_data_where_they_meet_is_refused(tmp_path: Path, files: dict[str, Path]):
    empty = write_raster(tmp_path / "empty.tif", np.full((1, 60, 50), np.nan, np.float32), utm_grid())
    with pytest.raises(AlignmentError, match=r"empty\.tif: holds no data on the reference grid"):
        align_scene(tmp_path / "out", reference=files["sar"], modalities={"hsi": empty})
    assert list(tmp_path.glob(".out*")) == [] and not (tmp_path / "out").exists()


def test_labels_beside_the_grid_are_refused(tmp_path: Path, files: dict[str, Path]):
    boxes = [shapely.box(x, 0, x + 1, 1) for x in (0, 2)]
    frame = geopandas.GeoDataFrame({"class": ["a", "b"]}, geometry=boxes, crs="EPSG:32633")
    frame.to_file(tmp_path / "far.gpkg", driver="GPKG")
    with pytest.raises(AlignmentError, match=r"far\.gpkg: holds no data on the reference grid"):
        align_scene(
            tmp_path / "out",
            reference=files["sar"],
            modalities={},
            labels={"all": f"{tmp_path / 'far.gpkg'}:class"},
        )


@pytest.mark.parametrize(
    "labels", [{"test": "raster"}, {"all": "raster", "train": "raster"}, {"tran": "raster"}]
)
def test_labels_that_do_not_go_together(tmp_path: Path, files: dict[str, Path], labels: dict[str, str]):
    with pytest.raises(UsageError, match="expected train and test, or one of train and all"):
        align_scene(
            tmp_path / "out",
            reference=files["sar"],
            modalities={},
            labels={split: files[name] for split, name in labels.items()},
        )


def test_what_is_in_the_way_stays(tmp_path: Path, files: dict[str, Path]):
    given = {"reference": files["sar"], "modalities": {}}
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="is in the way"):
        align_scene(out, **given)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    file = tmp_path / "file"
    file.write_text("keep")
    with pytest.raises(OutputError, match="is in the way"):
        align_scene(file, **given)
    (out / "mine.txt").unlink()
    assert align_scene(out, **given).folder == out
    assert align_scene(tmp_path / "new" / "deep", **given).target == "sar"
    with pytest.raises(OutputError, match=r"cannot write .*below: .*in the way"):
        align_scene(file / "below", **given)


def test_interruption_leaves_nothing(tmp_path: Path, files: dict[str, Path]):
    def stop(done: int, total: int, message: str) -> None:
        raise KeyboardInterrupt

    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        align_scene(tmp_path / "out", reference=files["sar"], modalities={}, copy=True, progress=stop)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "scene toml"])
def test_names_that_are_no_file_names_are_refused(tmp_path: Path, files: dict[str, Path], name: str):
    with pytest.raises(GeoXmodalError, match="modalities"):
        align_scene(tmp_path / "out", reference=files["sar"], modalities={name: files["hsi"]})
    assert not (tmp_path / "out").exists()


def test_reference_that_is_no_raster(tmp_path: Path, files: dict[str, Path]):
    with pytest.raises(RasterError, match="not a GeoTIFF"):
        align_scene(tmp_path / "out", reference=files["vector"], modalities={})


def test_real_scenes(tmp_path: Path, real_data: Path):
    muufl, floods = real_data / "muufl", real_data / "sen1floods11"
    scene = align_scene(
        tmp_path / "muufl",
        reference=muufl / "lidar.tif",
        modalities={"hsi": muufl / "hsi_window.tif"},
        labels={"train": muufl / "labels_train_150.tif", "test": muufl / "labels_test_150.tif"},
    )
    assert (scene.target, len(scene.classes)) == ("lidar", 11)
    whole = Window(0, 0, *scene.grid.shape)
    assert np.bincount(scene.read_labels("train", whole).ravel())[1:].tolist() == [150] * 11
    assert scene.reader("hsi").valid(whole).sum() == 100 * 100
    scene = align_scene(
        tmp_path / "flood",
        reference=floods / "Spain_7370579_S1Hand.tif",
        modalities={"msi": floods / "Spain_7370579_S2Hand.tif"},
        scale="db",
    )
    power = scene.reader("sar").read(Window(0, 0, 512, 512))
    assert 0 < np.nanmedian(power[1]) < np.nanmedian(power[0]) < 1


@pytest.mark.parametrize("place", ["out", "--reference", "--hsi", "--train-labels"])
def test_a_loop_of_links_is_one_line(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = tiny.write_scene(tmp_path / "tiny")
    (tmp_path / "here.tif").symlink_to(tmp_path / "there.tif")
    (tmp_path / "there.tif").symlink_to(tmp_path / "here.tif")
    files = {"--reference": "sar", "--hsi": "hsi", "--train-labels": "train"}
    paths = {"out": tmp_path / "made"} | {option: scene / f"{name}.tif" for option, name in files.items()}
    paths[place] = tmp_path / "here.tif"
    options = [word for option, path in list(paths.items())[1:] for word in (option, str(path))]
    assert run(["align", str(paths["out"]), "--target-kind", "sar", *options]) == 2
    assert str(tmp_path / "here.tif") in capsys.readouterr().err.splitlines()[-1]


def test_files_of_other_control_points_lie_on_no_common_pixel_grid(tmp_path: Path) -> None:
    grid, corners = utm_grid(), [(0, 0), (50, 0), (0, 60), (50, 60)]
    for name, east in (("sar", 0), ("hsi", 200), ("msi", 0)):
        points = [
            GroundControlPoint(row, col, x + east, y, 0)
            for col, row in corners
            for x, y in [grid.affine @ (col, row)]
        ]
        profile = {"driver": "GTiff", "count": 2, "height": 60, "width": 50, "dtype": "float32"}
        with rasterio.open(tmp_path / f"{name}.tif", "w", gcps=points, crs=UTM33, **profile) as file:
            file.write(np.full((2, 60, 50), 0.5, np.float32))
    sar, hsi, msi = (tmp_path / f"{name}.tif" for name in ("sar", "hsi", "msi"))
    with pytest.raises(AlignmentError, match=r"hsi\.tif: its 4 ground control points are not the 4 of .*sar"):
        align_scene(tmp_path / "apart", reference=sar, modalities={"hsi": hsi})
    assert not (tmp_path / "apart").exists()
    assert align_scene(tmp_path / "same", reference=sar, modalities={"msi": msi}).grid.crs is None
    warped = align_scene(tmp_path / "warped", reference=sar, modalities={"hsi": hsi}, warp_gcps="polynomial")
    assert warped.grid.crs is not None


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_copies_are_the_same_by_any_number_of_threads(
    tmp_path: Path, files: dict[str, Path], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geo_xmodal.scenes.layers.TILE", 64)
    given = {"reference": files["sar"], "modalities": {"hsi": files["hsi"]}, "copy": True, "name": "s"}
    monkeypatch.setattr("geo_xmodal.scenes.layers.usable_processors", lambda: 1)
    align_scene(tmp_path / "one", **given)
    monkeypatch.setattr("geo_xmodal.scenes.layers.usable_processors", lambda: threads)
    align_scene(tmp_path / "many", **given)
    for name in ("sar.tif", "hsi.tif"):
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    # the last tiles cannot be decoded: told by whichever thread comes to them
    content = files["hsi"].read_bytes()
    files["hsi"].write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    with pytest.raises(RasterError, match=r"enmap_level2\.tif: "):
        align_scene(tmp_path / "damaged", **given)
    assert not (tmp_path / "damaged").exists() and not list(tmp_path.glob(".damaged*"))


def labels_of(folder: Path, name: str, kind: str, *boxes: tuple[int, int, object]) -> Path:
    """Squares of 100 m at (x, y) metres into the grid, each with a value."""
    shapes = [shapely.box(400_000 + x, 4_999_000 + y, 400_100 + x, 4_999_100 + y) for x, y, _ in boxes]
    frame = geopandas.GeoDataFrame({kind: [value for _, _, value in boxes]}, geometry=shapes, crs=UTM33)
    frame.to_file(folder / name)
    return folder / name


def test_several_files_of_labels_are_one_set(tmp_path: Path, files: dict[str, Path]):
    """A later file lies over an earlier one, and classes are joined by their names."""
    first = labels_of(tmp_path, "a.gpkg", "kind", (0, 0, "Forest"), (1000, 0, "Water"))
    second = labels_of(tmp_path, "b.gpkg", "what", (50, 0, "water"), (2000, 0, "Road"))
    scene = align_scene(
        tmp_path / "scene",
        reference=files["sar"],
        modalities={},
        labels={"all": [f"{first}:kind", f"{second}:what"]},
    )
    assert [entry.name for entry in scene.classes] == ["Forest", "Water", "Road"]
    counts = np.bincount(scene.read_labels("all", WHOLE).ravel())
    assert list(counts[1:]) == [50, 200, 100]
    (summary,) = label_report(scene).sources.values()
    assert summary.source == "a.gpkg, b.gpkg" and summary.conflicts == 50
    mixed = {"all": [f"{first}:kind", files["raster"]]}
    with pytest.raises(UsageError, match="rasters and vectors"):
        align_scene(tmp_path / "other", reference=files["sar"], modalities={}, labels=mixed)


def test_values_are_merged_renamed_and_left_out(tmp_path: Path, files: dict[str, Path]):
    path = labels_of(
        tmp_path, "a.gpkg", "c", (0, 0, 3), (1000, 0, 4), (2000, 0, 5), (0, -500, 0), (0, -1000, 9)
    )
    given = {"reference": files["sar"], "modalities": {}, "labels": {"all": f"{path}:c"}}
    table = {"3": "Grass", "4": "Grass", "5": "", "0": "Sea"}
    scene = align_scene(tmp_path / "scene", **given, reclass=table)
    assert [entry.name for entry in scene.classes] == ["Sea", "Grass", "9"]
    assert list(np.bincount(scene.read_labels("all", WHOLE).ravel())[1:]) == [100, 200, 100]
    notes = " ".join(label_report(scene).notes())
    assert "'3' and '4' are one class, 'Grass'" in notes and "with value '5' taken as unlabelled" in notes
    with pytest.raises(LabelError, match=r"a\.gpkg: no value '8', which is to become class 'X'"):
        align_scene(tmp_path / "other", **given, reclass={"8": "X"})
    (tmp_path / "classes.toml").write_text(
        '[[classes]]\nid = 3\nname = "Low"\ncolor = "#00ff00"\n'
        '[[classes]]\nid = 9\nname = "High"\ncolor = "#ff0000"\n'
    )
    given["classes"] = tmp_path / "classes.toml"
    listed = align_scene(tmp_path / "listed", **given, reclass={"4": "low", "5": "9"})
    assert [entry.name for entry in listed.classes] == ["Low", "High"]
    assert list(np.bincount(listed.read_labels("all", WHOLE).ravel())[[3, 9]]) == [200, 200]
    with pytest.raises(LabelError, match=r"classes\.toml: has no class 'Middle', which value '4'"):
        align_scene(tmp_path / "none", **given, reclass={"4": "Middle"})


def test_the_command_assigns_a_crs_and_reads_tables(tmp_path: Path, files: dict[str, Path], capsys):
    rows = ["e,n,class", *(f"{400_005 + 10 * k},{4_999_005 + 500 * (k % 2)},{k % 2}" for k in range(40))]
    (tmp_path / "p.csv").write_text("\n".join(rows))
    (tmp_path / "names.csv").write_text("value,class\n0,Field\n1,Town\n")
    asked = [
        "align",
        str(tmp_path / "s"),
        "--reference",
        str(files["sar"]),
        "--labels",
        f"{tmp_path / 'p.csv'}:class",
    ]
    assert run([*asked, "--coordinates=e,n"]) == 2
    assert "say which CRS it is in (--assign-crs EPSG:...)" in capsys.readouterr().err
    asked += ["--coordinates=e,n", f"--reclass={tmp_path / 'names.csv'}"]
    assert run([*asked, "--assign-crs=EPSG:32633", "--assign-crs=EPSG:4326"]) == 2
    assert "expected one CRS for all" in capsys.readouterr().err
    assert run([*asked, f"--assign-crs={tmp_path / 'p.csv'}=EPSG:32633"]) == 0
    scene = open_scene(tmp_path / "s")
    assert [entry.name for entry in scene.classes] == ["Field", "Town"]
    assert list(np.bincount(scene.read_labels("all", WHOLE).ravel())[1:]) == [20, 20]
    assert (
        run(["align", str(tmp_path / "t"), "--reference", str(files["sar"]), "--labels=x", "--reclass=3"])
        == 2
    )
    assert "expected VALUE=CLASS" in capsys.readouterr().err


def test_tables_of_values_that_are_none(tmp_path: Path):
    path = tmp_path / "t.csv"
    for text, why in (
        ("value,class\n", "no values"),
        ("value,class\n3\n", "line 2"),
        ("v,c\n3,a\n3,b\n", "'3' comes twice"),
    ):
        path.write_text(text)
        with pytest.raises(LabelError, match=why):
            read_reclass(path)
    path.write_text("\ufeffvalue;class\n3;Grass, dry\n4;\n", encoding="utf-8")
    assert read_reclass(path) == {"3": "Grass, dry", "4": ""}
