from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geo_xmodal.comparison.noise import NoisyReader, deviations, signal_power
from geo_xmodal.scenes import Scene, join_scenes, open_scene
from geo_xmodal.scenes.labelled import labelled_pixels
from geo_xmodal.types import Window
from tests import tiny

SIZE = 600


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Larger than one block of noise; radar of two bands, the second one a hundred times the first."""
    folder = tiny.write_scene(tmp_path_factory.mktemp("noise") / "tiny")
    power = np.random.default_rng(0).gamma(4, 1 / 4, (SIZE, SIZE)).astype(np.float32)
    tiny.write_raster(folder / "sar.tif", np.stack([power, 100 * power]))
    return open_scene(folder)


@pytest.mark.parametrize("level", [10, 30])
def test_the_ratio_is_what_was_asked_for_in_each_band(scene: Scene, level: int) -> None:
    reader = scene.reader("sar")
    power = signal_power(join_scenes(scene))
    whole = Window(0, 0, SIZE, SIZE)
    clean = reader.read(whole)
    rows, cols = labelled_pixels(scene, "train").position.T
    assert power == pytest.approx(np.mean(clean[:, rows, cols].astype(float) ** 2, axis=1).tolist())
    noise = (NoisyReader(reader, deviations(power, level), 0).read(whole) - clean).astype(float)
    assert 10 * np.log10(np.array(power) / noise.var(axis=(1, 2))) == pytest.approx(level, abs=0.05)
    assert noise.mean(axis=(1, 2)) == pytest.approx(0, abs=5 * float(np.sqrt(power[1])) / SIZE)
    # white: neither a neighbour's nor the other band's
    first, second = (one / one.std() for one in noise)
    for a, b in ((first[:-1], first[1:]), (first[:, :-1], first[:, 1:]), (first, second)):
        assert np.mean(a * b) == pytest.approx(0, abs=0.01)


def test_a_pixel_has_the_same_noise_whatever_the_window(scene: Scene) -> None:
    noisy = NoisyReader(scene.reader("sar"), (0.5, 2.0), 3)
    whole = noisy.read(Window(0, 0, SIZE, SIZE))
    for window, margin in ((Window(250, 100, 30, 300), 0), (Window(254, 510, 5, 5), 7)):
        place = window.padded(margin)
        np.testing.assert_array_equal(noisy.read(window, margin), whole[(slice(None), *place.slices)])
    beyond = noisy.read(Window(SIZE - 2, 0, 4, 4), 2)
    assert np.isnan(beyond[:, 4:]).all() and np.isnan(beyond[:, :, :2]).all()
    np.testing.assert_array_equal(beyond[:, :4, 2:], whole[:, SIZE - 4 :, :6])


def test_levels_scale_one_draw_and_seeds_draw_anew(scene: Scene) -> None:
    reader = scene.reader("sar")
    window = Window(10, 20, 30, 30)
    clean = reader.read(window)
    quiet, loud, other = (
        NoisyReader(reader, (deviation, deviation), seed).read(window) - clean
        for deviation, seed in ((0.1, 0), (1.0, 0), (1.0, 1))
    )
    np.testing.assert_allclose(10 * quiet, loud, atol=1e-3)
    assert abs(np.corrcoef(loud.ravel(), other.ravel())[0, 1]) < 0.1


def test_reading_with_noise_leaves_the_file_alone(scene: Scene) -> None:
    path = Path(scene.reader("sar").path)
    before = path.read_bytes()
    NoisyReader(scene.reader("sar"), (1.0, 1.0), 0).read(Window(0, 0, 8, 8))
    assert path.read_bytes() == before
