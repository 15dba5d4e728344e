"""Check points: as many of each class, at random, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import rasterio

from geo_xmodal_app import check_points
from tests.tiny import write_raster


def test_points_are_drawn_in_each_class(tmp_path: Path) -> None:
    ids = np.zeros((60, 80), np.uint8)
    ids[:, 10:], ids[50:, 70:] = 3, 7
    ids[0, 0] = 9
    path = write_raster(tmp_path / "map.tif", ids, nodata=0)
    counts = {id_: int((ids == id_).sum()) for id_ in (3, 7, 9)}
    drawn = check_points.draw(path, counts, 20, seed=4)
    assert Counter(int(ids[one.row, one.col]) for one in drawn.points) == {3: 20, 7: 20, 9: 1}
    assert len({(one.row, one.col) for one in drawn.points}) == 41
    assert drawn == check_points.draw(path, counts, 20, seed=4) != check_points.draw(path, counts, 20, seed=5)
    half = [row for row, col in ((one.row, one.col) for one in drawn.points) if ids[row, col] == 3]
    assert min(half) < 20 and max(half) > 40  # spread, not the first of each


def test_answers_become_a_reference_on_the_map_s_grid(tmp_path: Path) -> None:
    ids = np.full((30, 40), 2, np.uint8)
    path = write_raster(tmp_path / "map.tif", ids)
    points = check_points.draw(path, {2: ids.size}, 3)
    points = points.with_answer(0, 5).with_answer(1, 0)
    assert (points.answered, points.next) == (2, 2)
    check_points.save(points, tmp_path / "kept" / "points.json")
    assert check_points.load(tmp_path / "kept" / "points.json") == points
    check_points.write_reference(path, points.points, tmp_path / "reference.tif")
    with rasterio.open(tmp_path / "reference.tif") as dataset, rasterio.open(path) as made:
        values = dataset.read(1)
        assert (dataset.crs, dataset.transform) == (made.crs, made.transform)
    first = points.points[0]
    assert values[first.row, first.col] == 5 and np.count_nonzero(values) == 1
