from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_xmodal.errors import ResponseError
from geo_xmodal.simulate import SpectralResponse, gaussian_response, read_response, simulate_msi
from geo_xmodal.simulate.response import band_weights, joined

NM = np.arange(400.0, 1001.0, 10.0)


def ramp(nm: np.ndarray = NM, slope: float = 2.0) -> np.ndarray:
    """An image of one pixel whose spectrum is a straight line."""
    return (slope * nm)[:, None, None]


def triangle(centre: float, half: float, name: str = "t") -> SpectralResponse:
    return joined([(name, np.array([centre - half, centre, centre + half]), np.array([0.0, 1.0, 0.0]))])


def geojson(
    bands: dict[str, tuple[list[float], list[float]]], unit: str | None = "Nanometers"
) -> dict[str, Any]:
    def curve(x: list[float], y: list[float]) -> dict[str, Any]:
        return {"x": x, "y": y} | ({} if unit is None else {"xUnit": unit})

    return {
        "type": "FeatureCollection",
        "name": "Testsat ",
        "features": [
            {"type": "Feature", "geometry": None, "properties": {"name": name, "response": curve(x, y)}}
            for name, (x, y) in bands.items()
        ],
    }


def written(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


# --- known answers


@pytest.mark.parametrize("index", [0, 17, 60])
def test_a_narrow_response_picks_the_band_it_lies_on(index: int) -> None:
    image = np.random.default_rng(0).random((len(NM), 3, 4))
    narrow = gaussian_response([NM[index]], [1e-3])
    assert simulate_msi(image, NM, narrow)[0] == pytest.approx(image[index], abs=1e-4)


def test_a_narrow_response_between_two_bands_is_their_mean_by_distance() -> None:
    image = np.zeros((len(NM), 1, 1))
    image[20], image[21] = 1.0, 5.0
    assert simulate_msi(image, NM, gaussian_response([602.5], [1e-3]))[0, 0, 0] == pytest.approx(
        2.0, abs=1e-3
    )


def test_a_triangle_over_a_parabola_gives_the_integral() -> None:
    # mean of (x - 700)^2 under a triangle of half width h is h^2 / 6; the bands are nearly continuous
    nm = np.arange(600.0, 800.5, 0.5)
    parabola = ((nm - 700.0) ** 2)[:, None, None]
    assert simulate_msi(parabola, nm, triangle(700.0, 60.0))[0, 0, 0] == pytest.approx(600.0, rel=1e-4)


def test_the_weights_of_a_triangle_over_coarse_bands() -> None:
    # the integral of the product of two hats of half width d: 2d/3 at one place, d/6 at neighbours
    weights, covered = band_weights(triangle(700.0, 10.0), NM)
    expected = np.zeros(len(NM))
    expected[29:32] = 1 / 6, 4 / 6, 1 / 6
    assert weights[0] == pytest.approx(expected, abs=1e-12)
    assert covered == pytest.approx([1.0])


def test_a_response_with_walls_stops_there_whatever_wavelengths_others_have() -> None:
    box = joined([("a", np.array([500.0, 540.0]), np.ones(2)), ("b", np.array([800.0, 840.0]), np.ones(2))])
    assert simulate_msi(ramp(slope=1.0), NM, box)[:, 0, 0] == pytest.approx([520.0, 820.0])
    assert box.integrals == pytest.approx([40.0, 40.0])
    assert box.centres == pytest.approx([520.0, 820.0])


def test_gaussian_responses_have_the_width_they_say() -> None:
    response = gaussian_response([550.0, 2200.0], [20.0, 180.0])
    assert response.names == ("550 nm", "2200 nm")
    assert response.centres == pytest.approx([550.0, 2200.0])
    assert response.at(np.array([540.0, 550.0, 560.0]))[0] == pytest.approx([0.5, 1.0, 0.5], abs=1e-6)
    assert response.at(np.array([2110.0, 2290.0]))[1] == pytest.approx([0.5, 0.5], abs=1e-6)


# --- properties

bands = st.lists(st.floats(420.0, 980.0), min_size=1, max_size=4)


@given(centres=bands, width=st.floats(5.0, 60.0), level=st.floats(-3.0, 9.0), seed=st.integers(0, 99))
def test_a_flat_spectrum_stays_flat_and_a_slope_is_seen_at_the_centroid(
    centres: list[float], width: float, level: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    nm = np.concatenate([[300.0, 1200.0], np.arange(301.0, 1200.0, 9.0) + rng.uniform(0, 5, 100)])
    order = rng.permutation(len(nm))
    nm = nm[order]
    response = gaussian_response(centres, [width] * len(centres), [f"b{i}" for i in range(len(centres))])
    flat = simulate_msi(np.full((len(nm), 2, 2), level), nm, response)
    assert flat == pytest.approx(level, abs=1e-5)
    assert simulate_msi(ramp(nm, 1.0), nm, response)[:, 0, 0] == pytest.approx(response.centres, rel=1e-6)


def test_interleaved_detectors_and_doubled_bands_change_nothing() -> None:
    response = gaussian_response([700.0], [40.0])
    spectrum = np.sin(NM / 60.0)
    one = simulate_msi(spectrum[:, None, None], NM, response)
    twice = simulate_msi(np.tile(spectrum, 2)[:, None, None], np.tile(NM, 2), response)
    assert twice == pytest.approx(one, rel=1e-6)
    weights, _ = band_weights(response, np.tile(NM, 2))
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0, : len(NM)] == pytest.approx(weights[0, len(NM) :])


# --- missing data


def test_an_empty_band_has_no_weight() -> None:
    image = ramp()
    image[30] = np.nan
    got = simulate_msi(image, NM, gaussian_response([700.0], [30.0]))
    assert got[0, 0, 0] == pytest.approx(1400.0, rel=1e-6)


def test_nothing_is_drawn_across_a_gap() -> None:
    good = ~((NM > 640) & (NM < 760))
    assert band_weights(gaussian_response([700.0], [30.0]), NM, good)[1][0] < 0.01
    assert band_weights(gaussian_response([640.0], [30.0]), NM, good)[1][0] == pytest.approx(0.65, abs=0.01)
    image = np.where(good[:, None, None], ramp(), np.nan)
    with pytest.raises(ResponseError, match=r"too little of 700 nm \(\d%, centre 700 nm\)"):
        simulate_msi(image, NM, gaussian_response([500.0, 700.0], [30.0, 30.0]))
    assert simulate_msi(image, NM, gaussian_response([500.0], [30.0]))[0, 0, 0] == pytest.approx(1000.0)


@pytest.mark.parametrize("centre", [300.0, 395.0, 1005.0, 2200.0])
def test_a_response_outside_the_hsi_is_refused(centre: float) -> None:
    with pytest.raises(ResponseError, match="the HSI has bands from 400 to 1000 nm"):
        simulate_msi(ramp(), NM, gaussian_response([centre], [10.0]))


def test_a_pixel_without_the_bands_that_matter_is_missing() -> None:
    image = np.repeat(ramp(), 3, axis=2)
    image[30, 0, 1] = np.nan  # 28 % of the weight
    image[0, 0, 2] = np.nan  # none
    got = simulate_msi(image, NM, gaussian_response([700.0], [30.0]))[0, 0]
    assert np.isnan(got).tolist() == [False, True, False]
    assert got[[0, 2]] == pytest.approx(1400.0)


# --- files


def test_geojson_in_micrometres_and_nanometres(tmp_path: Path) -> None:
    for unit, scale in (("Nanometers", 1.0), ("Micrometers", 1e-3), (None, 1.0), (None, 1e-3)):
        x = [scale * nm for nm in (500.0, 550.0, 600.0)]
        value = geojson({"B1 - Green (500-600)": (x, [0.0, 1.0, 0.0])}, unit)
        response = read_response(written(tmp_path / "x.geojson", value))
        assert response.centres == pytest.approx([550.0])
        assert response.sensor == "Testsat"
        assert response.select(["B1"]).names == ("B1 - Green (500-600)",)


@pytest.mark.parametrize(
    ("head", "scale", "mark"),
    [
        ("wavelength", 1.0, ","),
        ("wavelength_um", 1e-3, ";"),
        ("Wavelength (nm)", 1.0, "\t"),
        ("wl", 1e-3, ","),
    ],
)
def test_csv(head: str, scale: float, mark: str, tmp_path: Path) -> None:
    rows = [[head, "red", "nir"], *[[nm * scale, nm == 650, nm == 800] for nm in range(600, 900, 50)]]
    text = "\n".join(
        mark.join(str(cell if isinstance(cell, str) else float(cell)) for cell in row) for row in rows
    )
    response = read_response(written(tmp_path / "bands.csv", text + "\n\n"))
    assert response.names == ("red", "nir")
    assert response.centres == pytest.approx([650.0, 800.0])
    assert response.sensor == "bands"


X, Y = [500.0, 550.0, 600.0], [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "0 rows"),
        ("{", "not JSON"),
        ("{" + '"a":[' * 100_000, "nested more than 64 levels deep"),
        ({"type": "FeatureCollection", "features": []}, "features"),
        ({"features": [{"properties": {"name": "a"}}]}, "features.0.properties.response"),
        (geojson({"a": (X, Y[:2])}), "'a': 3 wavelengths for 2 values"),
        (geojson({"a": (X[::-1], Y)}), "'a': wavelengths must rise"),
        (geojson({"a": (X, [0.0, 0.0, 0.0])}), "'a': is zero everywhere"),
        (geojson({"a": (X, [0.0, 1.0, -0.5])}), "numbers from 0 up"),
        (geojson({"a": (X, [0.0, float("nan"), 0.0])}), "features.0.properties.response.y.1"),
        (geojson({"a": ([-5.0, 1.0, 2.0], Y)}), "must be positive"),
        (geojson({"a\nb": (X, Y)}), "printable"),
        ("wavelength,a\n500,1\n510,x\n", "row 3"),
        ("wavelength,a\n500,1\n510,1,1\n", "row 3: expected 2 numbers"),
        ("wavelength,a\n500,1\n510,nan\n", "row 3: expected 2 numbers"),
        ("wavelength,a,a\n500,1,1\n510,1,1\n", "'a' comes twice"),
        ("wavelength\n500\n510\n", "1 columns"),
        ('w,"a\n500,1\n510,1', "0 rows"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_response_is_refused_in_one_line(value: Any, words: str, tmp_path: Path) -> None:
    path = written(tmp_path / "srf", value)
    with pytest.raises(ResponseError) as caught:
        read_response(path)
    assert words in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(bytes(range(128, 256)))
    for name, words in (("nowhere", "no such file"), (".", "is a folder"), ("binary", "no UTF-8 text")):
        with pytest.raises(ResponseError, match=words):
            read_response(tmp_path / name)


def test_a_file_cannot_ask_for_more_memory_than_it_has_numbers(tmp_path: Path) -> None:
    def comb(i: int) -> list[float]:
        return (500.0 + i * 1e-4 + np.arange(40.0)).tolist()

    value = geojson({f"b{i}": (comb(i), [1.0] * 40) for i in range(1000)})
    with pytest.raises(ResponseError, match="give them on common wavelengths"):
        read_response(written(tmp_path / "wide.geojson", value))


def test_a_name_that_is_not_there_lists_those_that_are() -> None:
    response = gaussian_response([500.0, 600.0], [10.0, 10.0], ["B1 - Blue", "B2 - Red"])
    with pytest.raises(ResponseError, match=r"no band 'B3' .*: B1 - Blue, B2 - Red"):
        response.select(["B3"])
    assert response.select(["B2", "B1 - Blue"]).names == ("B2 - Red", "B1 - Blue")


def test_small_negative_noise_is_none() -> None:
    response = SpectralResponse(("a",), np.array(X), np.array([[-1e-4, 1.0, 0.0]]))
    assert response.response.min() == 0.0


# --- Sentinel-2A over EnMAP


def test_sentinel2_lies_where_esa_says(real_data: Path) -> None:
    response = read_response(real_data / "potsdam" / "sentinel2a_msi_srf.geojson")
    assert len(response.names) == 13
    # central wavelengths of Sentinel-2A, ESA
    esa = {"B1": 442.7, "B2": 492.4, "B3": 559.8, "B4": 664.6, "B8A": 864.7, "B11": 1613.7, "B12": 2202.4}
    assert response.select(list(esa)).centres == pytest.approx(list(esa.values()), abs=0.3)
