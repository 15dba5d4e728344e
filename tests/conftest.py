"""Fixtures that every test may use."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# Before anything imports torch: on tiny tensors two threads wait for each other longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Of the convolutions of all tests, 1024 would be kept compiled: memory that no test needs again.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
# Hundreds of processes import the package: compiled once it takes each of them 0.4 s less.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest
from filelock import FileLock
from hypothesis import settings

# how long an example takes says how busy the machine is
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")

REPOSITORY = Path(__file__).resolve().parents[1]
_HEAVY = Path(tempfile.gettempdir()) / f"geo_xmodal-heavy-test-{getpass.getuser()}.lock"


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around the clock of pytest-timeout: waiting is no fault
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test that is marked heavy while no other such test runs, whichever process it is in."""
    if item.get_closest_marker("heavy") is None:
        return (yield)
    with FileLock(_HEAVY):
        return (yield)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scenes: `$GEO_XMODAL_REAL_DATA`, or `shared/data` beside the checkout."""
    folder = Path(os.environ.get("GEO_XMODAL_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real scenes: set GEO_XMODAL_REAL_DATA (looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def system_program() -> Callable[[str], str]:
    """Where a program of the system lies, such as `chromium`.

    A test that needs one is skipped where it is missing, and fails where `GEO_XMODAL_REQUIRE_SYSTEM=1`
    says that nothing may be missing (`.ci/run`).
    """

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            if os.environ.get("GEO_XMODAL_REQUIRE_SYSTEM") == "1":
                pytest.fail(f"{name} is not installed, and GEO_XMODAL_REQUIRE_SYSTEM=1 says that it must be")
            pytest.skip(f"{name} is not installed")
        return found

    return find
