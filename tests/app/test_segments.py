from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal.types import Window
from geo_xmodal_app.segments import MAX_SIDE, segments
from tests.tiny import write_raster


def test_segments_follow_the_edges_of_what_is_seen(tmp_path: Path) -> None:
    pixels = np.full((1, 60, 80), 10, np.float32)
    pixels[:, 15:45, 20:60] = 90
    pixels[:, :, 76:] = np.nan
    reader = gx.aligned_reader(write_raster(tmp_path / "x.tif", pixels))
    found = [shapely.Polygon(rings[0], rings[1:]) for rings in segments(reader, Window(5, 10, 50, 70), 100)]
    seen = shapely.box(10, 5, 76, 55)
    assert shapely.union_all(found).equals(seen)  # all that has data, and nothing else
    assert sum(one.area for one in found) == seen.area  # each pixel once
    field = shapely.box(20, 15, 60, 45)
    inside = shapely.union_all([one for one in found if one.intersection(field).area > one.area / 2])
    assert inside.within(field.buffer(1.5)) and field.buffer(-1.5).within(inside)


def test_a_window_that_is_too_large_is_refused(tmp_path: Path) -> None:
    reader = gx.aligned_reader(write_raster(tmp_path / "x.tif", np.zeros((1, 4, MAX_SIDE + 1), np.float32)))
    with pytest.raises(UsageError, match="zoom in"):
        segments(reader, Window(0, 0, 4, MAX_SIDE + 1), 100)
