"""The registry of kinds of sensor, and the lists elsewhere that must say the same."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pytest

from geo_xmodal.kinds import KINDS, Display, Kind, Plausible, guess_kind
from geo_xmodal.methods import METHODS
from tests.conftest import REPOSITORY

PLUGIN = REPOSITORY / "app" / "qgis" / "geo_xmodal_qgis"


def test_the_type_and_the_registry_name_the_same_kinds() -> None:
    assert get_args(Kind) == tuple(KINDS)
    assert all(entry.name == name for name, entry in KINDS.items())


def test_the_plugin_offers_every_kind() -> None:
    commands = json.loads((PLUGIN / "commands.json").read_text(encoding="utf-8"))["commands"]
    align = {one["name"]: one for one in next(one for one in commands if one["name"] == "align")["options"]}
    assert align["target_kind"]["choices"] == list(KINDS)
    assert [name for name, one in align.items() if one["takes"] == "sensor files" and one["many"]] == list(
        KINDS
    )


def test_settings_of_the_branch_are_options_of_every_method_that_takes_them() -> None:
    taking = [method for method in METHODS.values() if method.recipes]
    assert taking
    for method in taking:
        for kind, settings in method.recipes.items():
            one = KINDS[kind]
            assert settings in (one.branch, one.context, {**one.context, **one.branch})
            method.Options.model_validate(dict(settings))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("hsi", "hsi"),
        ("sar2", "sar"),
        ("S1A_IW_VV", "sar"),
        ("Sentinel2 B04", "msi"),
        ("landsat8", "msi"),
        ("ndsm", "lidar"),
        ("lidar_dem", "lidar"),
        ("srtm_30m", "dem"),
        ("landsat8_thermal", "thermal"),
        ("AlphaEarth_2023", "embedding"),
        ("Tessera_Band_0 Tessera_Band_1", "embedding"),
        ("A00 A01 A62 A63", "embedding"),
        ("somewhere", None),
        ("", None),
    ],
)
def test_words_of_a_name_tell_the_kind(name: str, kind: str | None) -> None:
    assert guess_kind(name) == kind


def test_bands_on_screen_are_places_or_shares_of_the_way() -> None:
    assert Display((2, 1, 0)).shown(4) == (2, 1, 0)
    assert Display((2, 1, 0)).shown(2) == (0,)
    assert Display((0, 1, 0)).shown(2) == (0, 1, 0)
    assert Display((0, 1, 0)).shown(1) == (0,)
    assert Display((1, 16, 9)).shown(17) == (1, 16, 9)
    assert Display((1, 16, 9)).shown(16) == (0,)
    assert Display((0.4, 0.25, 0.1)).shown(2) == (0,)
    assert Display((1.0, 0.5, 0.0)).shown(101) == (100, 50, 0)


def test_a_share_of_the_values_may_be_implausible() -> None:
    one_in_four = Plausible(low=0.0, high=10.0, share=0.25)
    assert one_in_four.fits(np.array([-1.0, 0.0, 5.0, 10.0]))
    assert not one_in_four.fits(np.array([-1.0, 0.0, 5.0, 10.1]))
    assert one_in_four.fits(np.empty(0))
