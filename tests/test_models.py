"""Models by name and by path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from geo_xmodal import bundle, models
from geo_xmodal.errors import BundleError
from tests.test_bundle import card, change_card, model


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two places, as of a checkout and of an installed package, both with a model called `twice`."""
    for place, names in (("checkout", ("good", "twice")), ("package", ("twice", "other"))):
        for name in names:
            bundle.save(tmp_path / place / name, model(), card(scene=f"{place}-{name}"))
    monkeypatch.setattr(models, "_PLACES", (tmp_path / "checkout", tmp_path / "package"))
    return tmp_path


def test_models_of_the_checkout_come_first(shipped: Path) -> None:
    found = {one.name: one.card.scene for one in models.list_models() if one.card}
    assert found == {"good": "checkout-good", "twice": "checkout-twice", "other": "package-other"}
    assert models.find_model("twice") == shipped / "checkout" / "twice"
    assert models.find_model("other") == shipped / "package" / "other"


def test_a_broken_model_is_listed_with_its_problem(shipped: Path) -> None:
    change_card(shipped / "checkout" / "good", schema_version=99)
    good = models.list_models()[0]
    assert good.card is None
    assert good.problem is not None and "schema_version is 99" in good.problem


def test_a_path_comes_before_a_name(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle.save(shipped / "here" / "good" / "model", model(), card())
    monkeypatch.chdir(shipped / "here")
    assert models.find_model("good") == Path("good") / "model"
    assert models.find_model(shipped / "here" / "good") == shipped / "here" / "good" / "model"


@pytest.mark.parametrize("name", ["nothing", "deep/good", "../checkout/good"])
def test_what_is_no_model_is_refused_with_the_names_that_are(
    name: str, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shipped / "package" / "other")
    with pytest.raises(BundleError, match=r"good, twice, other"):
        models.find_model(name)


def test_models_are_listed_and_checked_without_pytorch() -> None:
    """The web app's server does this for every page, and would stand still for seconds."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_PYTORCH], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("sar False\n", "")


_WITHOUT_PYTORCH = """
import sys
import geo_xmodal as gx
card = gx.read_card(next(one for one in gx.list_models() if one.name == "berlin-sar-hgr").folder)
scene = gx.open_scene("berlin")
target = gx.target_modality(scene, card)
gx.check_fit(card, scene.reader(target))
assert card.legend and card.statistics and gx.read_legend
assert gx.evaluate_map and gx.export_polygons and gx.export_qgis and gx.export_stac
print(target, "torch" in sys.modules)
"""
