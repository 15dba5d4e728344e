from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from geo_xmodal.errors import LabelError, OutputError, RasterError, ResponseError, SceneError, UsageError
from geo_xmodal.simulate import SpectralResponse, degrade, gaussian_response, read_response, simulate_msi
from geo_xmodal.types import Window
from tests import tiny
from tests.rasters import utm_grid, write_raster

NM = np.arange(450.0, 901.0, 10.0)
RESPONSE = gaussian_response([550.0, 660.0, 840.0], [40.0, 30.0, 100.0], ["G - Green", "R - Red", "N - NIR"])
BAD = 11  # 1-based band


def cube(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    """(band, row, col) int16: smooth spectra, holes of nodata -1, band `BAD` empty, band 1 off."""
    rng = np.random.default_rng(seed)
    levels = rng.uniform(500, 3000, (4, rows, cols))
    shapes = np.stack([np.ones_like(NM), NM / 700, np.sin(NM / 90), np.cos(NM / 150)])
    values = np.clip(np.einsum("kb,kij->bij", shapes, levels), 0, 9999).astype(np.int16)
    values[0] = 9999
    values[BAD - 1] = -1
    values[:, rows // 2 : rows // 2 + 5, 3:20] = -1
    return values


def write_hsi(
    path: Path, rows: int = 70, cols: int = 90, scale: float = 1.0, unit: str = "Nanometers"
) -> Path:
    write_raster(path, cube(rows, cols), utm_grid(rows, cols), nodata=-1)
    with rasterio.open(path, "r+") as dataset:
        for band, nm in enumerate(NM, 1):
            dataset.update_tags(
                band, wavelength=f"{nm * scale:g}", wavelength_units=unit, bbl=str(int(band > 1))
            )
    return path


def write_srf(path: Path, response: SpectralResponse = RESPONSE) -> Path:
    rows = [["nm", *response.names], *np.column_stack([response.wavelengths, response.response.T]).tolist()]
    path.write_text("\n".join(",".join(map(str, row)) for row in rows), encoding="utf-8")
    return path


def pixels(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read())


def good_values(rows: int = 70, cols: int = 90) -> tuple[np.ndarray, np.ndarray]:
    good = np.array([band not in (1, BAD) for band in range(1, len(NM) + 1)])
    values = cube(rows, cols).astype(np.float32)
    values[values == -1] = np.nan
    return values[good], NM[good]


@pytest.fixture(scope="module")
def hsi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hsi(tmp_path_factory.mktemp("hsi") / "hyper.tif")


@pytest.fixture(scope="module")
def made(hsi: Path) -> gx.SimulatedSensor:
    return gx.simulate_sensor(hsi.parent / "made", hsi, RESPONSE, coarse=3)


def test_the_file_holds_what_the_arrays_give(made: gx.SimulatedSensor, hsi: Path) -> None:
    values, nm = good_values()
    got = pixels(made.scene.path("msi"))
    assert np.isnan(got).any() and not np.isnan(got).all()
    assert np.allclose(got, simulate_msi(values, nm, RESPONSE), rtol=1e-6, equal_nan=True)
    assert np.array_equal(pixels(made.scene.path("hsi")), degrade(values, 3), equal_nan=True)


def test_the_files_say_what_they_are(made: gx.SimulatedSensor, hsi: Path) -> None:
    msi, coarse = gx.describe_raster(made.scene.path("msi")), gx.describe_raster(made.scene.path("hsi"))
    assert msi.grid == gx.describe_raster(hsi).grid
    assert msi.band_names == made.bands == RESPONSE.names
    assert msi.wavelengths == pytest.approx((550.0, 660.0, 840.0), abs=0.01)
    assert np.isnan(msi.nodata or 0.0) and msi.dtype == "float32"
    assert coarse.grid.shape.yx == (23, 30) and coarse.grid.affine.a == 30.0
    assert (coarse.grid.affine.c, coarse.grid.affine.f) == (msi.grid.affine.c, msi.grid.affine.f)
    assert coarse.wavelengths == pytest.approx([nm for i, nm in enumerate(NM, 1) if i not in (1, BAD)])
    assert coarse.band_names[0] == "band 2" and coarse.count == len(NM) - 2


def test_the_scene_says_that_it_is_simulated_and_can_be_read(made: gx.SimulatedSensor) -> None:
    scene = made.scene
    assert scene.simulated and scene.target == "msi" and scene.auxiliary_modalities == ("hsi",)
    assert "simulated" in scene.config.description and "3 times" in scene.config.description
    assert "simulated" in scene.modality("msi").sensor and not made.left_out
    # on the grid of the MSI, the middle one of nine pixels has the value of the coarse one over it
    over = scene.reader("hsi").read(Window(0, 0, 69, 90))[:, 1::3, 1::3]
    own = pixels(scene.path("hsi"))
    both = np.isfinite(over) & np.isfinite(own)
    assert both.mean() > 0.95 and np.allclose(over[both], own[both], rtol=1e-5)


@pytest.mark.parametrize("unit", ["Micrometers", ""])
def test_wavelengths_in_micrometres_are_the_same(unit: str, tmp_path: Path, made: gx.SimulatedSensor) -> None:
    source = write_hsi(tmp_path / "um.tif", scale=1e-3, unit=unit)
    other = gx.simulate_sensor(tmp_path / "out", source, RESPONSE)
    assert np.allclose(pixels(other.scene.path("msi")), pixels(made.scene.path("msi")), equal_nan=True)
    assert other.scene.auxiliary_modalities == ()


@pytest.mark.parametrize("coarse", [2, 9])
def test_strips_leave_no_seams(coarse: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_hsi(tmp_path / "big.tif", 300, 170)
    monkeypatch.setattr("geo_xmodal.simulate.hsi.MAX_STRIP", 2**10)
    monkeypatch.setattr("geo_xmodal.simulate.sensor.MAX_STRIP", 2**17)
    told: list[tuple[int, int]] = []
    cut = gx.simulate_sensor(
        tmp_path / "cut",
        source,
        RESPONSE,
        coarse=coarse,
        progress=lambda done, total, _: told.append((done, total)),
    )
    values, nm = good_values(300, 170)
    assert np.allclose(pixels(cut.scene.path("msi")), simulate_msi(values, nm, RESPONSE), equal_nan=True)
    assert np.array_equal(pixels(cut.scene.path("hsi")), degrade(values, coarse), equal_nan=True)
    assert told[-1][0] == told[-1][1] == len(told) > 20


# --- bands that the HSI does not cover

WIDE = gaussian_response([550.0, 1600.0], [40.0, 60.0], ["G - Green", "S - SWIR"])


def test_bands_that_are_not_covered_are_left_out_and_named(hsi: Path, tmp_path: Path) -> None:
    got = gx.simulate_sensor(tmp_path / "out", hsi, WIDE)
    assert got.bands == ("G - Green",) and dict(got.left_out) == {"S - SWIR": 0.0}
    assert "without S - SWIR" in got.scene.config.description


@pytest.mark.parametrize("bands", [["S"], ["G", "S"]])
def test_bands_asked_for_that_are_not_covered_are_refused(
    bands: list[str], hsi: Path, tmp_path: Path
) -> None:
    with pytest.raises(ResponseError, match=r"too little of S - SWIR \(0%, centre 1600 nm\)"):
        gx.simulate_sensor(tmp_path / "out", hsi, WIDE, bands=bands)
    assert not (tmp_path / "out").exists()


def test_responses_that_lie_elsewhere_altogether_are_refused(hsi: Path, tmp_path: Path) -> None:
    with pytest.raises(ResponseError, match="the HSI has bands from 450 to 900 nm"):
        gx.simulate_sensor(tmp_path / "out", hsi, gaussian_response([2200.0], [100.0]))


# --- from a scene


def tag_wavelengths(path: Path) -> None:
    with rasterio.open(path, "r+") as dataset:
        for band in dataset.indexes:
            dataset.update_tags(band, wavelength=str(500 + 20 * band), wavelength_units="nm")


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    folder = tiny.write_scene(tmp_path / "tiny")
    tag_wavelengths(folder / "hsi.tif")
    tiny.write_raster(folder / "test.tif", tiny.truth())
    return folder


BOTH = gaussian_response([560.0, 620.0], [30.0, 30.0], ["one", "two"])


@pytest.mark.parametrize("coarse", [None, 2])
def test_from_a_scene_the_labels_come_along(coarse: int | None, scene: Path, tmp_path: Path) -> None:
    old, new = gx.open_scene(scene), gx.simulate_sensor(tmp_path / "out", scene, BOTH, coarse=coarse).scene
    assert new.name == "out" and new.classes == old.classes and set(new.config.modalities) == {"msi", "hsi"}
    assert "Three crops" in new.config.description
    assert new.grid.shape.yx == (tiny.SIDE, tiny.HSI_COLUMNS)
    window = Window(0, 0, tiny.SIDE, tiny.HSI_COLUMNS)
    for split in ("train", "test"):
        labels = new.read_labels(split, window)
        assert labels.any() and np.array_equal(labels, old.read_labels(split, window))
    if coarse is None:
        assert np.array_equal(pixels(new.path("hsi")), pixels(scene / "hsi.tif"))
    else:
        assert np.array_equal(pixels(new.path("hsi")), degrade(pixels(scene / "hsi.tif"), 2))


def test_bands_that_the_scene_calls_invalid_take_no_part(scene: Path, tmp_path: Path) -> None:
    text = (scene / "scene.toml").read_text(encoding="utf-8")
    (scene / "scene.toml").write_text(
        text.replace('kind = "hsi"', 'kind = "hsi"\ninvalid_bands = [3]'), encoding="utf-8"
    )
    new = gx.simulate_sensor(tmp_path / "out", scene, BOTH, bands=["two"]).scene
    values = pixels(scene / "hsi.tif")
    wanted = simulate_msi(np.delete(values, 2, 0), np.delete(500.0 + 20.0 * np.arange(1, 9), 2), BOTH)
    assert np.allclose(pixels(new.path("msi")), wanted[1:], rtol=1e-5)
    assert new.modality("hsi").invalid_bands == (3,)


def test_labels_that_lie_off_the_hsi_are_refused(tmp_path: Path) -> None:
    folder = tiny.write_scene(tmp_path / "tiny")  # its test pixels lie east of the HSI
    tag_wavelengths(folder / "hsi.tif")
    with pytest.raises(LabelError, match=r"test\.tif: no label of 'test' lies on the HSI"):
        gx.simulate_sensor(tmp_path / "out", folder, BOTH)
    assert not (tmp_path / "out").exists()


def test_a_scene_without_hsi_is_refused(tmp_path: Path) -> None:
    folder = tiny.write_scene(tmp_path / "tiny")
    text = (folder / "scene.toml").read_text(encoding="utf-8")
    (folder / "scene.toml").write_text(text.replace('kind = "hsi"', 'kind = "msi"'), encoding="utf-8")
    with pytest.raises(SceneError, match="has 0 modalities of kind hsi"):
        gx.simulate_sensor(tmp_path / "out", folder, BOTH)


# --- bad input


def test_an_hsi_that_cannot_be_used(tmp_path: Path) -> None:
    plain = write_raster(tmp_path / "plain.tif", cube(20, 20), utm_grid(20, 20))
    with pytest.raises(RasterError, match="does not say the wavelength of every band"):
        gx.simulate_sensor(tmp_path / "out", plain, RESPONSE)
    with pytest.raises(RasterError, match="no such file"):
        gx.simulate_sensor(tmp_path / "out", tmp_path / "nowhere.tif", RESPONSE)
    (tmp_path / "evil.tif").write_text("<VRTDataset/>", encoding="utf-8")
    with pytest.raises(RasterError, match="not a GeoTIFF"):
        gx.simulate_sensor(tmp_path / "out", tmp_path / "evil.tif", RESPONSE)
    empty = write_raster(tmp_path / "empty.tif", np.full((3, 20, 20), np.nan, np.float32), utm_grid(20, 20))
    tag_wavelengths(empty)
    with pytest.raises(RasterError, match="0 of 3 bands hold data"):
        gx.simulate_sensor(tmp_path / "out", empty, RESPONSE)


@pytest.mark.parametrize("coarse", [1, 65, 71])
def test_a_factor_that_cannot_be(coarse: int, hsi: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"pixels {coarse} times as large: expected 2 to 64 times"):
        gx.simulate_sensor(tmp_path / "out", hsi, RESPONSE, coarse=coarse)
    small = write_hsi(tmp_path / "small.tif", 10, 40)
    with pytest.raises(UsageError, match="expected 1 to 10 times for an image of 10 x 40"):
        gx.simulate_sensor(tmp_path / "out", small, RESPONSE, coarse=11)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_full_is_left_alone(made: gx.SimulatedSensor, hsi: Path) -> None:
    with pytest.raises(OutputError, match="is in the way"):
        gx.simulate_sensor(made.scene.folder, hsi, RESPONSE)
    assert made.scene.path("hsi").is_file()


# --- the command line


def test_the_command_makes_the_scene(hsi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    srf = write_srf(tmp_path / "wide.csv", WIDE)
    out = tmp_path / "out"
    capsys.readouterr()
    assert run(["simulate", str(out), "--from", str(hsi), "--srf", str(srf), "--coarse", "5", "--json"]) == 0
    captured = capsys.readouterr()
    result: dict[str, Any] = json.loads(captured.out)
    assert result["simulated"] is True and result["modalities"] == {"msi": "msi", "hsi": "hsi"}
    assert "left out S - SWIR: the HSI covers 0% of its response" in captured.err
    assert gx.describe_raster(out / "hsi.tif").grid.shape.yx == (14, 18)
    assert (
        run(["simulate", str(tmp_path / "two"), "--from", str(hsi), "--srf", str(srf), "--bands", "G"]) == 0
    )
    assert "left out" not in capsys.readouterr().err
    assert not (tmp_path / "two" / "hsi.tif").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from", "x.tif", "--srf", "y", "--like", "berlin"], "--like is for scenes that are made up"),
        (["--from", "x.tif", "--srf", "y", "--seed", "0"], "--seed is for scenes that are made up"),
        (["--from", "x.tif"], "--from needs --srf"),
        (["--srf", "y"], "--srf is for sensors simulated from an HSI"),
        (["--like", "berlin", "--coarse", "3"], "--coarse is for sensors simulated from an HSI"),
        (["--from", "x.tif", "--srf", "nowhere.csv"], "nowhere.csv: no such file"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", str(tmp_path / "out"), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and words in line
    assert not (tmp_path / "out").exists()


# --- memory, and a real scene


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    code = (
        "import sys; import geo_xmodal as gx; from geo_xmodal.simulate import gaussian_response;"
        "from tests.memory import peak_kib;"
        "gx.simulate_sensor(sys.argv[2], sys.argv[1], gaussian_response([600.0], [50.0]), coarse=7);"
        "print(peak_kib())"
    )
    peaks = []
    for side in (256, 1024):
        path = tmp_path / f"{side}.tif"
        profile = {
            "driver": "GTiff",
            "height": side,
            "width": side,
            "count": 60,
            "dtype": "int16",
            "tiled": True,
            "blockxsize": 64,
            "blockysize": 64,
            "sparse_ok": True,
            "interleave": "band",
        }
        with rasterio.open(path, "w", **profile) as dataset:
            for band in dataset.indexes:
                dataset.update_tags(band, wavelength=str(500 + 5 * band), wavelength_units="nm")
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), str(tmp_path / f"out{side}")],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    # 63 million values: 252 MB as float32
    assert peaks[1] - peaks[0] < 80_000


def test_sentinel2_from_enmap(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "potsdam"
    source, srf = folder / "enmap_potsdam_mosaic18.tif", folder / "sentinel2a_msi_srf.geojson"
    got = gx.simulate_sensor(tmp_path / "out", source, srf, coarse=3)
    assert [name.split()[0] for name in got.left_out] == ["B10"]  # where EnMAP's bands are empty
    assert len(got.bands) == 12 and "Sentinel-2A" in got.scene.modality("msi").sensor
    with rasterio.open(source) as dataset:
        cube = dataset.read(out_dtype="float32")
        cube[cube == dataset.nodata] = np.nan
        nm = np.array([float(dataset.tags(band)["wavelength"]) for band in dataset.indexes])
    response = read_response(srf).select(got.bands)
    msi = pixels(got.scene.path("msi"))
    assert np.allclose(msi, simulate_msi(cube, nm, response), rtol=1e-5, equal_nan=True)
    assert np.isfinite(msi).all(axis=0).sum() == 18_432
    # each band lies within the spectrum of its pixel around it, and near the HSI band of its centre
    for values, centre in zip(msi, response.centres, strict=True):
        near = int(np.abs(nm - centre).argmin())
        both = np.isfinite(values)
        assert np.corrcoef(values[both], cube[near][both])[0, 1] > 0.98
