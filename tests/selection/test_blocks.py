"""Which pixels lie near which: as distances say, however it is found out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_xmodal.selection import blocks, near

PIXELS = st.lists(st.tuples(st.integers(-9, 30), st.integers(0, 50)), max_size=12)


@settings(max_examples=150, deadline=None)
@given(pixels=PIXELS, others=PIXELS, distance=st.integers(0, 25), drawn=st.sampled_from([0, 1 << 30]))
def test_near_are_those_within_the_distance(
    pixels: list[tuple[int, int]], others: list[tuple[int, int]], distance: int, drawn: int
) -> None:
    """Drawn on a raster, and looked up in a tree."""
    some, rest = (np.array(one, np.int64).reshape(-1, 2) for one in (pixels, others))
    apart = np.abs(some[:, None] - rest).max(axis=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_MAX_DRAWN", drawn)
        assert near(some, rest, distance).tolist() == (apart <= distance).any(axis=0).tolist()
