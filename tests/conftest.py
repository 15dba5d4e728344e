"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scenes: `$GEO_XMODAL_REAL_DATA`, or `shared/data` beside the checkout."""
    folder = Path(os.environ.get("GEO_XMODAL_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real scenes: set GEO_XMODAL_REAL_DATA (looked in {folder})")
    return folder
