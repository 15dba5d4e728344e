"""The tables of WorldCereal: classes, places and gaps as they are described."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import geo_xmodal as gx
from geo_xmodal.types import Window
from tests.conftest import REPOSITORY
from tests.points.tables import read_points

sys.path.insert(0, str(REPOSITORY / "scripts"))


def test_flanders(real_data: Path, tmp_path: Path) -> None:
    import real_scenes

    real_scenes.worldcereal_flanders(real_data / "worldcereal", tmp_path / "s")
    scene, points = gx.open_scene(tmp_path / "s"), read_points(tmp_path / "s")
    assert len(scene.classes) == 6 and scene.points is not None and scene.points.places == 74
    assert len(scene.reader("sar").bands) == 16 and len(scene.reader("msi").bands) == 128
    sides = points[points["part"] != "unlabelled"].groupby("place")["part"].nunique()
    assert (sides == 1).all()


def test_corsica(real_data: Path, tmp_path: Path) -> None:
    import real_scenes

    real_scenes.worldcereal_corsica(real_data / "worldcereal", tmp_path / "s")
    scene, points = gx.open_scene(tmp_path / "s"), read_points(tmp_path / "s")
    assert len(scene.classes) == 5
    assert len(scene.reader("sar").bands) == 34 and len(scene.reader("msi").bands) == 9 * 17
    known = points[points["part"] != "unlabelled"]
    assert len(known) > 320
    cell = np.floor(known[["x", "y"]] / 0.1).astype(int).apply(tuple, axis=1)
    assert (known.groupby(cell)["part"].nunique() == 1).all()
    power = scene.reader("sar").read(Window(0, 0, *map(int, scene.grid.shape)))
    decibels = 10 * np.log10(power[np.isfinite(power)])
    assert decibels.min() > -35 and decibels.max() < 10


@pytest.mark.parametrize("side", ["train", "test"])
def test_berlin_urban_gradient(real_data: Path, tmp_path: Path, side: str) -> None:
    import real_scenes

    real_scenes.berlin_urban_gradient(real_data / "berlin_urban_gradient", tmp_path / "s")
    scene = gx.open_scene(tmp_path / "s")
    rows, cols = map(int, scene.grid.shape)
    ids = scene.read_labels(side, Window(0, 0, rows, cols))
    assert set(np.unique(ids)) == {0, 1, 2, 3, 4, 5, 6}
    assert scene.own_grid("hsi").shape == (80, 60)
