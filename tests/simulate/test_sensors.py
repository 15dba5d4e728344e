"""Sensors over a land: the same pixels whatever the window, and what physics says of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_xmodal.simulate.berlin import BERLIN
from geo_xmodal.simulate.houston import HOUSTON
from geo_xmodal.simulate.layout import Layout
from geo_xmodal.simulate.optical import REFLECTANCE_SCALE, OpticalSensor
from geo_xmodal.simulate.preset import Preset
from geo_xmodal.simulate.sampling import PixelGrid, ground
from geo_xmodal.simulate.spectra import Material
from geo_xmodal.types import Window

CASES = [(preset, name) for preset in (BERLIN, HOUSTON) for name in preset.modalities]


def _observe(preset: Preset, name: str, window: Window, seed: int = 3) -> np.ndarray:
    modality = preset.modalities[name]
    layout, grid = preset.layout(seed, 1.0), PixelGrid(1.7, 4.1, modality.pixel, 900, 900)
    return np.asarray(modality.sensor.observe(layout, grid, window))


@pytest.mark.parametrize(("preset", "name"), CASES, ids=lambda value: getattr(value, "name", value))
def test_any_window_gives_the_same_bits(preset: Preset, name: str) -> None:
    whole = _observe(preset, name, Window(50, 30, 48, 70))
    for window in (Window(50, 30, 20, 70), Window(61, 57, 37, 9), Window(97, 99, 1, 1)):
        part = _observe(preset, name, window)
        top, left = window.row - 50, window.col - 30
        assert np.array_equal(part, whole[:, top : top + window.height, left : left + window.width])


@settings(max_examples=15, deadline=None)
@given(row=st.integers(0, 40), col=st.integers(0, 40), height=st.integers(1, 20), width=st.integers(1, 20))
@pytest.mark.parametrize("preset", [BERLIN, HOUSTON], ids=lambda preset: preset.name)
def test_any_window_sees_the_same_land(preset: Preset, row: int, col: int, height: int, width: int) -> None:
    layout, grid = preset.layout(8, 1.0), PixelGrid(0.0, 0.0, 20.0, 60, 60)
    whole = ground(layout, grid, Window(0, 0, 60, 60), 2, 0)
    part = ground(layout, grid, Window(row, col, height, width), 2, 0)
    inside = (slice(2 * row, 2 * (row + height)), slice(2 * col, 2 * (col + width)))
    assert np.array_equal(part.parcel, whole.parcel[inside])
    for field in dataclasses.fields(whole.cover):
        assert np.array_equal(getattr(part.cover, field.name), getattr(whole.cover, field.name)[inside])


@pytest.mark.parametrize(("preset", "name"), CASES, ids=lambda value: getattr(value, "name", value))
def test_another_seed_is_another_land(preset: Preset, name: str) -> None:
    window = Window(0, 0, 16, 16)
    assert not np.array_equal(_observe(preset, name, window, 3), _observe(preset, name, window, 4))


@pytest.mark.parametrize("preset", [BERLIN, HOUSTON], ids=lambda preset: preset.name)
def test_every_class_is_on_the_land_far_from_the_corner_too(preset: Preset) -> None:
    layout, side = preset.layout(1, 1.0), preset.full_extent
    for start in (0.0, 200_000.0):
        line = start + np.arange(0.5, 600.5) * side * 1.2 / 600
        x, y = np.meshgrid(line, line)
        present = set(np.unique(layout.cover(x, y)[0].label).tolist())
        assert {entry.id for entry in preset.classes} <= present


def _uniform_land(material: Material) -> Layout:
    layout = BERLIN.layout(0, 1.0)

    class Plain(Layout):
        def cover(self, x, y):  # type: ignore[no-untyped-def]
            cover, angle, parcel = super().cover(x, y)
            cover.put(np.ones(x.shape, np.bool_), material, tint=0.0, growth=0.0, wetness=0.0)
            return cover, angle, parcel

    return Plain(**{field.name: getattr(layout, field.name) for field in dataclasses.fields(layout)})


def test_hyperspectral_noise_is_strongest_where_water_vapour_absorbs() -> None:
    sensor = BERLIN.modalities["hsi"].sensor
    assert isinstance(sensor, OpticalSensor)
    nm = np.array(sensor.wavelengths)
    assert len(nm) == 244 and nm[0] == 400 and nm[-1] == 2500 and np.all(np.diff(nm) > 0)
    grid = PixelGrid(0.0, 0.0, 30.0, 40, 40)
    image = sensor.observe(_uniform_land(Material.LOAM), grid, Window(0, 0, 40, 40)) / REFLECTANCE_SCALE
    within = (image - image.mean(axis=1, keepdims=True)).std(axis=(1, 2))
    assert np.median(within / sensor.noise()) == pytest.approx(1.0, abs=0.1)
    clear, absorbed = within[np.abs(nm - 860).argmin()], within[np.abs(nm - 1390).argmin()]
    assert absorbed > 10 * clear


def test_hyperspectral_mean_is_the_material_and_haze_is_blue() -> None:
    sensor = BERLIN.modalities["hsi"].sensor
    assert isinstance(sensor, OpticalSensor)
    grid = PixelGrid(0.0, 0.0, 30.0, 40, 40)
    image = sensor.observe(_uniform_land(Material.GRASS), grid, Window(0, 0, 40, 40))
    residue = image.mean(axis=(1, 2)) / REFLECTANCE_SCALE - sensor.library()[Material.GRASS, 0]
    clear = sensor.noise() < 0.003
    assert np.abs(residue[clear]).max() < 0.02
    assert residue[:5].mean() > residue[clear][-20:].mean()


def test_lidar_sees_roofs_crowns_and_level_water() -> None:
    modality = HOUSTON.modalities["lidar"]
    layout, grid = HOUSTON.layout(0, 1.0), PixelGrid(0.0, 0.0, 2.5, 240, 400)
    window = Window(0, 0, 240, 400)
    height, intensity = modality.sensor.observe(layout, grid, window)
    label = ground(layout, grid, window, 1, 0).cover.label
    by_class = {entry.name: label == entry.id for entry in HOUSTON.classes}
    assert np.median(height[by_class["Commercial"]]) > 9.0
    assert 3.0 < np.median(height[by_class["Residential"]]) < 9.0
    assert np.median(height[by_class["Tree"]]) > 5.0
    for name in ("Water", "Highway", "Running Track", "Soil"):
        assert np.abs(np.median(height[by_class[name]])) < 0.6, name
    # 1064 nm: plants are bright, water is black
    assert (
        np.median(intensity[by_class["Healthy Grass"]]) > 0.3 > 10 * np.median(intensity[by_class["Water"]])
    )
