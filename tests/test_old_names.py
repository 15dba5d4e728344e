"""Options by the names of the version before: taken as the new ones, with a line that says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from geo_xmodal.old_names import OldNameWarning, with_new_names
from tests.points.tables import table, write_csv


def test_the_auxiliary_sensor_was_called_rich() -> None:
    given = {"rich": "hsi", "hgr.rich_radius": "0", "uses_rich": 1, "enriched": 2, "epochs": "3"}
    with pytest.warns(OldNameWarning, match="'rich_?\\w*' is called 'auxiliary") as said:
        named = with_new_names(dict(list(given.items())[:1]))
    assert named == {"auxiliary": "hsi"} and len(said) == 1
    with pytest.warns(OldNameWarning):
        assert list(with_new_names(given)) == [
            "auxiliary", "hgr.auxiliary_radius", "uses_auxiliary", "enriched", "epochs",
        ]  # fmt: skip


def test_settings_and_options_take_old_names() -> None:
    with pytest.warns(OldNameWarning):
        request = gx.TrainRequest(method="hgr", settings={"rich": "hsi", "rich_radius": "0"})
    assert request.given == {"auxiliary": "hsi", "auxiliary_radius": "0"}
    with pytest.warns(OldNameWarning):
        assert gx.METHODS["hgr"].Options.model_validate({"rich_radius": 0}).auxiliary_radius == 0
    with pytest.warns(OldNameWarning):
        compared = gx.CompareRequest(settings={"hgr.rich_radius": "0"})
    assert compared.settings == {"hgr.auxiliary_radius": "0"}


def test_a_card_of_the_version_before_is_read(tmp_path: Path) -> None:
    folder = shutil.copytree(gx.find_model("berlin-sar-hgr"), tmp_path / "model")
    card = json.loads((folder / "card.json").read_text())
    card["rich"] = card.pop("auxiliary")
    (folder / "card.json").write_text(json.dumps(card))
    assert gx.read_card(folder).auxiliary == "hsi"


def test_the_command_line_takes_an_old_flag_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_csv(table(), tmp_path / "t.csv")
    words = [
        "import",
        "points",
        str(file),
        "--target-bands",
        "S1-*",
        "--target-scale",
        "db",
        "--label",
        "class",
    ]
    words += ["--leave-out", "*count*", "--random", "--out", str(tmp_path / "scene"), "--json"]
    assert run([*words, "--rich-bands", "S2-*"]) == 0
    out, err = capsys.readouterr()
    assert "'--rich-bands' is called '--auxiliary-bands' now" in err
    assert "msi" in json.loads(out)["bands"]
    assert run(["import", "--help"]) == 0
    assert "--rich" not in capsys.readouterr().out
