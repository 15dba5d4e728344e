from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_xmodal.simulate.noise import (
    NOISE_BLOCK,
    drawn_in_blocks,
    grid_cells,
    hashed,
    smooth,
    uniform,
    voronoi,
)
from geo_xmodal.types import Window


def _points(row: int, col: int, size: int, step: float = 7.0) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.meshgrid(np.arange(row, row + size) * step, np.arange(col, col + size) * step, indexing="ij")
    return x, y


def test_hash_is_even_and_keys_matter() -> None:
    draws = uniform(3, np.arange(-500, 500)[:, None], np.arange(100))
    counts, _ = np.histogram(draws, bins=10, range=(0.0, 1.0))
    assert np.all(np.abs(counts - 10_000) < 500)
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 0.01
    assert hashed(1, 2)[0] != hashed(2, 1)[0]


def test_smooth_noise_is_smooth_and_centred() -> None:
    x, y = _points(0, 0, 200)
    noise = smooth(x, y, 300.0, 5, octaves=2)
    assert abs(noise.mean()) < 0.3
    assert 0.2 < noise.std() < 0.8
    assert np.abs(np.diff(noise, axis=1)).max() < 0.15


def test_voronoi_edge_is_the_distance_to_the_border() -> None:
    x, y = _points(0, 0, 150, step=1.0)
    cells = voronoi(x, y, 40.0, 0.4, 0.0, 9)
    identity = cells.row * 1000 + cells.col
    changes = identity[:, :-1] != identity[:, 1:]
    # a border between two neighbouring samples, 1 m apart, is at most 1 m from either
    assert changes.sum() > 100
    assert cells.edge[:, :-1][changes].max() <= 1.0
    inside = cells.edge > 3.0
    assert not np.any(changes & inside[:, :-1])


def test_merged_cells_are_larger_and_have_no_border_between_them() -> None:
    x, y = _points(0, 0, 200, step=2.0)
    apart, merged = voronoi(x, y, 40.0, 0.4, 0.0, 9), voronoi(x, y, 40.0, 0.4, 0.5, 9)
    count = [len(np.unique(cells.row * 1000 + cells.col)) for cells in (apart, merged)]
    assert count[1] < 0.9 * count[0]
    identity = merged.row * 1000 + merged.col
    changes = identity[:, :-1] != identity[:, 1:]
    assert merged.edge[:, :-1][changes].max() <= 2.0


@settings(max_examples=25, deadline=None)
@given(row=st.integers(-400, 400), col=st.integers(-400, 400), size=st.integers(1, 30))
def test_any_window_sees_the_same_noise_and_cells(row: int, col: int, size: int) -> None:
    x, y = _points(row, col, size)
    big_x, big_y = _points(row - 13, col - 5, size + 29)
    inner = (slice(13, 13 + size), slice(5, 5 + size))
    assert np.array_equal(smooth(x, y, 90.0, 1, octaves=3), smooth(big_x, big_y, 90.0, 1, octaves=3)[inner])
    small, large = (voronoi(a, b, 60.0, 0.42, 0.3, 2) for a, b in ((x, y), (big_x, big_y)))
    for name in ("row", "col", "edge", "next_row", "next_col", "site_x"):
        assert np.array_equal(getattr(small, name), getattr(large, name)[inner]), name


def test_grid_cells_give_index_and_offset() -> None:
    cells = grid_cells(np.array([-1.0, 0.0, 25.0]), np.array([5.0, 5.0, 12.0]), 10.0, 6.0)
    assert cells.i.tolist() == [-1, 0, 2]
    assert cells.a.tolist() == [9.0, 0.0, 5.0]
    assert cells.j.tolist() == [0, 0, 2]


@settings(max_examples=20, deadline=None)
@given(
    row=st.integers(0, 200), col=st.integers(0, 200), height=st.integers(1, 150), width=st.integers(1, 150)
)
def test_drawn_numbers_do_not_depend_on_the_window(row: int, col: int, height: int, width: int) -> None:
    def draw(random: np.random.Generator) -> np.ndarray:
        return random.standard_normal((2, NOISE_BLOCK, NOISE_BLOCK), np.float32)

    whole = drawn_in_blocks(Window(0, 0, 350, 350), 4, 7, draw)
    part = drawn_in_blocks(Window(row, col, height, width), 4, 7, draw)
    assert np.array_equal(part, whole[:, row : row + height, col : col + width])
    assert not np.array_equal(part, drawn_in_blocks(Window(row, col, height, width), 5, 7, draw))
