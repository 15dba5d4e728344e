"""What tests of comparisons share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import sklearn.manifold


@pytest.fixture(scope="package", autouse=True)
def _rough_layouts() -> Iterator[None]:
    """t-SNE stops early: where points lie in a figure is not what these tests look at, and takes minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.manifold, "TSNE", partial(sklearn.manifold.TSNE, max_iter=250))
        yield
