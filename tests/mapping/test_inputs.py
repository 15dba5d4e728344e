"""The one check of an input against a model: bands by name, values by the ranges of training."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from geo_xmodal import bundle
from geo_xmodal.bundle import Card, StatisticsEntry
from geo_xmodal.errors import ModelMismatchError, UsageError
from geo_xmodal.kinds import Kind
from geo_xmodal.mapping import check_fit, map_input, map_scene
from geo_xmodal.raster.reader import AlignedReader, aligned_reader
from geo_xmodal.samples.statistics import band_statistics
from geo_xmodal.types import Window
from tests.mapping.conftest import card_of, random_model
from tests.rasters import utm_grid, write_raster

GRID = utm_grid(128, 128)
BANDS = ("B02", "B03", "B04", "B08")
SPECTRA = np.array(
    [(300, 500, 400, 3500), (900, 1200, 1600, 2300), (250, 300, 150, 80), (1600, 1800, 2000, 2500)]
)
POWER = np.array([[0.004, 0.0012], [0.06, 0.018], [0.25, 0.075]])


def trained_on(values: np.ndarray, names: tuple[str, ...], kind: Kind, scaled: bool | None = None) -> Card:
    """The card of a model whose training pixels were `values` (band, row, col)."""
    statistics = band_statistics(values.reshape(len(values), -1).T, names, kind)
    card = card_of(random_model(len(values)), (1, 2, 5, 9), kind)
    entry = StatisticsEntry(**vars(statistics))
    return card.model_copy(
        update={"target": card.target.model_copy(update={"statistics": entry, "scaled": scaled})}
    )


def write(path: Path, values: np.ndarray, names: tuple[str, ...] = BANDS, **tags: float) -> Path:
    write_raster(path, values, GRID, nodata=0 if values.dtype.kind == "u" else None)
    with rasterio.open(path, "r+") as dataset:
        if names:
            dataset.descriptions = names
        if tags:
            dataset.scales, dataset.offsets = (
                (tags["scale"],) * len(values),
                (tags["offset"],) * len(values),
            )
    return path


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    """Sentinel-2 as it was before baseline 04.00: reflectance x 10000, four covers in blocks of 16."""
    rng = np.random.default_rng(1)
    truth = np.kron(rng.integers(0, 4, (8, 8)), np.ones((16, 16), int))
    return np.clip(SPECTRA[truth].transpose(2, 0, 1) + rng.normal(0, 60, (4, 128, 128)), 1, None).round()


@pytest.fixture(scope="module")
def power() -> np.ndarray:
    """Radar of three covers in linear power."""
    rng = np.random.default_rng(2)
    truth = np.kron(rng.integers(0, 3, (8, 8)), np.ones((16, 16), int))
    values = POWER[truth].transpose(2, 0, 1) * rng.gamma(8, 1 / 8, (2, 128, 128))
    return np.asarray(values, np.float32)


def read(reader: AlignedReader) -> np.ndarray:
    return reader.read(Window(0, 0, 128, 128))


@pytest.mark.parametrize("scaled", [None, False])
def test_five_encodings_of_one_field(numbers: np.ndarray, scaled: bool | None, tmp_path: Path) -> None:
    card = trained_on(numbers, BANDS, "msi", scaled)

    def fit(name: str, values: np.ndarray, **tags: float):
        return check_fit(card, aligned_reader(write(tmp_path / name, values, **tags), kind="msi"))

    plain = fit("old.tif", numbers.astype(np.uint16))
    assert plain.warnings == plain.assumptions == ()
    np.testing.assert_array_equal(read(plain.reader), numbers)
    stored = fit("old_tagged.tif", numbers.astype(np.uint16), scale=1e-4, offset=0)
    np.testing.assert_array_equal(read(stored.reader), numbers)
    assert "scale and offset tags are not applied" in str(stored.assumptions[0])
    shifted = fit("tagged.tif", (numbers + 1000).astype(np.uint16), scale=1e-4, offset=-0.1)
    np.testing.assert_allclose(read(shifted.reader), numbers, atol=1e-3)
    (line,) = map(str, shifted.assumptions)
    assert "only the offset is applied" in line
    (doubt,) = fit("new.tif", (numbers + 1000).astype(np.uint16)).warnings
    found = re.search(r"band (B\d\d) .* the input has (\S+) to (\S+), training had (\S+) to (\S+):", doubt)
    assert found is not None
    band = BANDS.index(found[1])
    limits = np.percentile(numbers[band], [0.5, 99.5])
    assert [float(one) for one in found.groups()[1:]] == pytest.approx([*limits + 1000, *limits], rel=0.02)
    with pytest.raises(ModelMismatchError, match=r"training had .*any_values"):
        fit("reflectance.tif", (numbers / 10000).astype(np.float32))


def test_a_model_of_physical_values_takes_no_numbers(numbers: np.ndarray, tmp_path: Path) -> None:
    card = trained_on(numbers / 10000, BANDS, "msi", scaled=True)
    new = write(tmp_path / "new.tif", (numbers + 1000).astype(np.uint16), scale=1e-4, offset=-0.1)
    fitted = check_fit(card, aligned_reader(new, kind="msi"))
    np.testing.assert_allclose(read(fitted.reader), numbers / 10000, atol=1e-6)
    assert fitted.warnings == ()
    old = write(tmp_path / "old.tif", numbers.astype(np.uint16))
    with pytest.raises(ModelMismatchError, match="bring the input to the model's units"):
        check_fit(card, aligned_reader(old, kind="msi"))


def test_values_of_another_world_are_mapped_if_asked_for(numbers: np.ndarray, tmp_path: Path) -> None:
    card = trained_on(numbers, BANDS, "msi")
    bundle.save(tmp_path / "model", random_model(4), card)
    reader = aligned_reader(write(tmp_path / "x.tif", (numbers / 10000).astype(np.float32)), kind="msi")
    with pytest.raises(ModelMismatchError, match="training had"):
        map_scene(tmp_path / "model", reader, tmp_path / "map.tif")
    assert not (tmp_path / "map.tif").exists()
    result = map_scene(tmp_path / "model", reader, tmp_path / "map.tif", any_values=True)
    assert "mapped nevertheless, as asked" in result.warnings[0]


def test_decibels_and_photos_are_no_power(power: np.ndarray, tmp_path: Path) -> None:
    names = ("VV", "VH")
    card = trained_on(power, names, "sar")
    decibels = write(tmp_path / "db.tif", (10 * np.log10(power)).astype(np.float32), names)
    for kind in ("sar", "other"):
        with pytest.raises(UsageError, match=r"db.tif: band 1 .* holds decibels.*give scale=db"):
            check_fit(card, aligned_reader(decibels, kind=kind))
    fitted = check_fit(card, aligned_reader(decibels, kind="sar", decibel=True))
    np.testing.assert_allclose(read(fitted.reader), power, rtol=1e-5)
    linear = write(tmp_path / "linear.tif", power, names)
    assert check_fit(card, aligned_reader(linear, kind="sar")).warnings == ()
    with pytest.raises(UsageError, match=r"linear.tif: .* hardly ever negative .* leave scale db out"):
        check_fit(card, aligned_reader(linear, kind="sar", decibel=True))
    photo = write(tmp_path / "photo.tif", np.clip(power * 600, 1, 255).astype(np.uint8), ())
    with pytest.raises(ModelMismatchError, match="training had"):
        check_fit(card, aligned_reader(photo, kind="sar"))


@pytest.mark.parametrize("trained", ["on the same", "on brighter places"])
@pytest.mark.parametrize(("dtype", "offset", "nodata"), [("int16", 0, -32768), ("uint16", -50, 0)])
def test_decibels_in_whole_numbers_are_mapped_as_those_in_floats(
    power: np.ndarray, dtype: str, offset: float, nodata: int, trained: str, tmp_path: Path
) -> None:
    names = ("VV", "VH")
    card = trained_on(power if trained == "on the same" else power * 1.5, names, "sar")
    bundle.save(tmp_path / "model", random_model(2), card)
    stored = ((10 * np.log10(power) - offset) * 100).round().astype(dtype)
    stored[:, 90:110, 30:60] = nodata
    twin = (stored * 0.01 + offset).astype(np.float32)
    twin[stored == nodata] = np.nan
    whole = write(tmp_path / "whole.tif", stored, names, scale=0.01, offset=offset)
    with rasterio.open(whole, "r+") as dataset:
        dataset.nodata = nodata
    maps = []
    for path in (whole, write(tmp_path / "twin.tif", twin, names)):
        reader = map_input([path], card, decibel=True).reader
        result = map_scene(tmp_path / "model", reader, tmp_path / f"{path.stem}_map.tif")
        told = ["scale"] if path == whole else []
        assert [one.code for one in result.assumptions] == told, result.assumptions
        assert all("tags are applied" in one.text for one in result.assumptions)
        with rasterio.open(result.out) as dataset:
            maps.append(dataset.read(1))
    np.testing.assert_array_equal(*maps)
    np.testing.assert_array_equal(maps[0] == 0, (stored == nodata).all(axis=0))


def test_no_signal_in_the_middle_does_not_hide_decibels(power: np.ndarray, tmp_path: Path) -> None:
    decibels = (10 * np.log10(power)).astype(np.float32)
    decibels[:, 20:108, 20:108] = -np.inf
    path = write(tmp_path / "db.tif", decibels, ("VV", "VH"))
    with pytest.raises(UsageError, match="holds decibels"):
        check_fit(trained_on(power, ("VV", "VH"), "sar"), aligned_reader(path, kind="sar"))


def test_a_border_of_zeros_is_the_same_map_tagged_or_not(power: np.ndarray, tmp_path: Path) -> None:
    names = ("VV", "VH")
    card = trained_on(power, names, "sar")
    bundle.save(tmp_path / "model", random_model(2), card)
    bordered = power.copy()
    row, col = np.indices((128, 128))
    bordered[:, col + 0.3 * row < 50] = 0
    maps, ids = [], []
    for name, nodata in (("tagged", 0), ("untagged", None)):
        path = write(tmp_path / f"{name}.tif", bordered, names)
        if nodata is not None:
            with rasterio.open(path, "r+") as dataset:
                dataset.nodata = nodata
        result = map_scene(tmp_path / "model", map_input([path], card).reader, tmp_path / f"{name}_map.tif")
        maps.append((result.out, [str(one) for one in result.assumptions]))
        with rasterio.open(result.out) as dataset:
            np.testing.assert_array_equal(dataset.read(1) == 0, bordered[0] == 0)
            ids.append(dataset.read(1))
    np.testing.assert_array_equal(*ids)
    share = np.mean(bordered[0] == 0)
    (_, tagged), (_, untagged) = maps
    assert tagged == []
    assert untagged == [
        f"untagged.tif: {share:.0%} of the pixels looked at are 0 in all bands: taken as no data"
    ]


@pytest.mark.parametrize(
    ("unit", "crs", "words"),
    [
        (
            "unit",
            GRID.crs,
            "on pixels without a place on the ground, so of unknown size, the input's are with a",
        ),
        ("m", None, "on pixels with a size in metres, the input's are without a place on the ground"),
    ],
)
def test_pixels_without_a_place_are_said_in_words(
    numbers: np.ndarray, unit: str, crs: CRS | None, words: str, tmp_path: Path
) -> None:
    card = trained_on(numbers, BANDS, "msi")
    card = card.model_copy(update={"resolution": (10.0, 10.0), "resolution_unit": unit})
    grid = GeoBox(GRID.shape, GRID.affine, crs)
    path = write_raster(tmp_path / "x.tif", numbers.astype(np.uint16), grid, nodata=0)
    line = check_fit(card, aligned_reader(path, kind="msi")).warnings[-1]
    assert line.startswith("pixel size not checked: the model was trained") and words in line


def test_degrees_celsius_are_no_kelvin(tmp_path: Path) -> None:
    kelvin = np.random.default_rng(0).normal(288, 8, (1, 128, 128)).astype(np.float32)
    card = trained_on(kelvin, ("lst",), "thermal")
    same = check_fit(card, map_input([write(tmp_path / "k.tif", kelvin, ("lst",))], card).reader)
    assert same.warnings == ()
    celsius = map_input([write(tmp_path / "c.tif", kelvin - 273.15, ("lst",))], card).reader
    with pytest.raises(ModelMismatchError, match=r"100% of the values of band lst lie outside"):
        check_fit(card, celsius)


@pytest.mark.parametrize("order", [(2, 1, 0, 3), (3, 2, 1, 0), (0, 1, 2, 3)])
@pytest.mark.parametrize("extra", [(), ("B11", "SCL")])
def test_bands_are_found_by_name(
    numbers: np.ndarray, order: tuple[int, ...], extra: tuple[str, ...], tmp_path: Path
) -> None:
    card = trained_on(numbers, BANDS, "msi")
    values = np.concatenate([np.ones((len(extra), 128, 128)), numbers[list(order)]]).astype(np.uint16)
    names = (*extra, *(BANDS[band].lower() for band in order))
    fitted = check_fit(card, map_input([write(tmp_path / "x.tif", values, names)], card).reader)
    np.testing.assert_array_equal(read(fitted.reader), numbers)
    lines = [str(one) for one in fitted.assumptions]
    assert bool(lines) == (bool(extra) or order != (0, 1, 2, 3))
    assert all("found by name" in line for line in lines)


def test_names_that_contradict_are_refused_with_both_lists(numbers: np.ndarray, tmp_path: Path) -> None:
    card = trained_on(numbers, BANDS, "msi")
    path = write(tmp_path / "x.tif", numbers.astype(np.uint16), ("B02", "B03", "B04", "B8A"))
    with pytest.raises(ModelMismatchError, match="bands are B02, B03, B04, B8A, the model was made for B02"):
        check_fit(card, aligned_reader(path, kind="msi"))
    asked = check_fit(card, map_input([path], card, bands=(1, 2, 3, 4)).reader)
    assert "were asked for in this order" in str(asked.assumptions[0])
    np.testing.assert_array_equal(read(asked.reader), numbers)


def test_bands_without_names_are_taken_by_their_place(numbers: np.ndarray, tmp_path: Path) -> None:
    card = trained_on(numbers, BANDS, "msi")
    path = write(tmp_path / "x.tif", numbers.astype(np.uint16), ())
    fitted = check_fit(card, aligned_reader(path, kind="msi"))
    np.testing.assert_array_equal(read(fitted.reader), numbers)
    (line,) = map(str, fitted.assumptions)
    assert "band 1, band 2, band 3, band 4 as B02, B03, B04, B08" in line
    with pytest.raises(ModelMismatchError, match=r"the input has 3 bands \(band 1, band 2, band 3\)"):
        check_fit(card, aligned_reader(path, kind="msi", bands=(1, 2, 3)))
