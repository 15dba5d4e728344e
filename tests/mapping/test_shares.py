"""Whose class shares a map has: by choice, by table, in its tags, and when it is resumed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle, HeldOutEntry, SharesEntry
from geo_xmodal.class_shares import ClassShares
from geo_xmodal.errors import ClassSharesError, GeoXmodalError, ResumeError, UsageError
from geo_xmodal.mapping import Classifier, Model, map_scene
from geo_xmodal.mapping.shares import Shares, known_shares, read_recorded, sampled_probabilities, shares_for
from geo_xmodal.raster.reader import AlignedReader
from tests.mapping.conftest import WriteInput, scene_values, with_holes

EQUAL = (0.25,) * 4
LABELS = (0.1, 0.1, 0.2, 0.6)
ENTRY = SharesEntry(default="labels", drawn="as they lie", learned=EQUAL, labels=LABELS)
SHAPE = (150, 200)


@pytest.fixture
def model(cnn: Bundle) -> Bundle:
    """Class ids 1, 2, 5, 9, learned alike; of the labels most are of the last."""
    return Bundle(cnn.card.model_copy(update={"shares": ENTRY}), cnn.model)


@pytest.fixture
def folder(model: Bundle, tmp_path: Path) -> Path:
    bundle.save(tmp_path / "model", model.model, model.card)
    return tmp_path / "model"


@pytest.fixture
def reader(write_input: WriteInput) -> AlignedReader:
    return write_input(with_holes(scene_values(SHAPE)))


def tag_of(path: Path) -> tuple[str, dict[int, float]] | None:
    with rasterio.open(path) as dataset:
        found = read_recorded(dataset.tags().get("CLASS_SHARES", ""))
    return None if found is None else (found[0], dict(found[1]))


def classes_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_predictions_have_the_shares_that_are_asked_for(model: Bundle) -> None:
    values = scene_values((40, 50))
    own = Classifier(model).probabilities(values)
    for shares in (ClassShares("labels", LABELS, EQUAL), ClassShares("labels", LABELS, EQUAL, 2.5)):
        classifier = Classifier(model, shares=shares)
        np.testing.assert_allclose(classifier.probabilities(values), shares.changed(own), atol=2e-6)
        ids, probability = classifier.classify(values)
        best, top = classifier.best(classifier.probabilities(values))
        np.testing.assert_array_equal(ids, best)
        np.testing.assert_array_equal(probability, top)
    never = Classifier(model, shares=ClassShares("table", (0.0, 0.5, 0.3, 0.2), EQUAL))
    assert (Classifier(model).classify(values)[0] == 1).any()
    assert not (never.classify(values)[0] == 1).any()


def test_a_choice_of_the_map_comes_before_that_of_the_card(
    cnn: Bundle, folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    bundle.save(tmp_path / "older", cnn.model, cnn.card)
    assert map_scene(tmp_path / "older", reader, out).shares is None  # as ever
    before = classes_of(out)
    assert tag_of(out) is None
    map_scene(folder, reader, out, shares="equal")
    np.testing.assert_array_equal(classes_of(out), before)  # what it has learned
    assert tag_of(out) == ("equal", dict.fromkeys((1, 2, 5, 9), 0.25))
    map_scene(folder, reader, out)
    by_labels = classes_of(out)
    assert tag_of(out) == ("labels", {1: 0.1, 2: 0.1, 5: 0.2, 9: 0.6})
    assert (by_labels == 9).sum() > (before == 9).sum()
    table = tmp_path / "areas.csv"
    table.write_text("class;area\nClass & <1>;1\n2;1\n5;2\n9;6\n")
    map_scene(folder, reader, out, shares=table)
    np.testing.assert_array_equal(classes_of(out), by_labels)
    assert tag_of(out) == ("table", {1: 0.1, 2: 0.1, 5: 0.2, 9: 0.6})


def test_a_model_gives_arrays_the_classes_of_the_map(
    model: Bundle, folder: Path, reader: AlignedReader
) -> None:
    out = folder.parent / "map.tif"
    values = with_holes(scene_values(SHAPE))
    for shares in (None, "equal", "estimated", {1: 3, 2: 3, 5: 3, 9: 0}):
        map_scene(folder, reader, out, engine="torch", shares=shares)
        np.testing.assert_array_equal(Model(model).predict(values, shares=shares).classes, classes_of(out))


def test_an_estimate_is_of_what_is_mapped(model: Bundle, reader: AlignedReader) -> None:
    sample = sampled_probabilities(Classifier(model), reader)
    assert 4096 < len(sample) <= 20_000
    np.testing.assert_array_equal(sample, sampled_probabilities(Classifier(model), reader))
    found = shares_for(model.card, "estimated", lambda: sample)
    assert found is not None
    assert found.choice == "estimated"
    assert sum(found.wanted) == pytest.approx(1, abs=1e-4)
    # the mean prediction with the estimated shares has these shares
    changed = found.changed(sample.T)
    np.testing.assert_allclose(changed.mean(1), found.wanted, atol=2e-3)


def stopped_after(windows: int) -> object:
    def progress(done: int, total: int, message: str) -> None:
        if done == windows:
            raise KeyboardInterrupt

    return progress


def test_a_resumed_map_goes_on_with_the_estimate_that_it_was_begun_with(
    folder: Path, reader: AlignedReader, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole.tif", tmp_path / "map.tif"
    options = {"window": 64, "shares": "estimated"}
    map_scene(folder, reader, whole, **options)
    with pytest.raises(KeyboardInterrupt):
        map_scene(folder, reader, out, **options, progress=stopped_after(3))
    journal = tmp_path / ".map.tif.partial" / "windows"
    head, _, windows = journal.read_bytes().partition(b"\n")
    header = json.loads(head)
    recorded = json.loads(header["class shares"])
    assert recorded["choice"] == "estimated"
    assert tag_of(whole) == ("estimated", {int(key): one for key, one in recorded["shares"].items()})
    resumed = map_scene(folder, reader, out, **options, resume=True)
    assert resumed.resumed == 3
    assert out.read_bytes() == whole.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        map_scene(folder, reader, out, **options, progress=stopped_after(3))
    recorded["shares"] |= {"1": 0.7, "2": 0.1, "5": 0.1, "9": 0.1}  # as another machine had estimated them
    header["class shares"] = json.dumps(recorded)
    _, _, windows = journal.read_bytes().partition(b"\n")
    journal.write_bytes(json.dumps(header, sort_keys=True).encode() + b"\n" + windows)
    assert map_scene(folder, reader, out, **options, resume=True).resumed == 3
    assert tag_of(out) == ("estimated", {1: 0.7, 2: 0.1, 5: 0.1, 9: 0.1})


def test_a_map_with_other_shares_is_not_resumed(folder: Path, reader: AlignedReader, tmp_path: Path) -> None:
    out = tmp_path / "map.tif"
    with pytest.raises(KeyboardInterrupt):
        map_scene(folder, reader, out, window=64, progress=stopped_after(3))
    for other in ("equal", "estimated"):
        with pytest.raises(ResumeError, match=r"class shares was .*labels"):
            map_scene(folder, reader, out, window=64, resume=True, shares=other)
    assert map_scene(folder, reader, out, window=64, resume=True).resumed == 3


def test_a_card_that_says_nothing_has_no_choice(cnn: Bundle) -> None:
    assert known_shares(cnn.card, None) is None
    for asked in ("labels", "equal", "estimated"):
        with pytest.raises(ClassSharesError, match=r"does not say what the labels .* train it again"):
            known_shares(cnn.card, asked)


def test_a_class_that_was_not_learned_has_no_share(model: Bundle) -> None:
    entry = ENTRY.model_copy(update={"learned": (0.5, 0.5, 0.0, 0.0)})
    card = model.card.model_copy(update={"shares": entry})
    for asked, wanted in (
        ("labels", (0.5, 0.5, 0, 0)),
        ("equal", (0.5, 0.5, 0, 0)),
        ({1: 3, 2: 1}, (0.75, 0.25, 0, 0)),
    ):
        found = known_shares(card, asked)
        assert found is not None
        assert found.wanted == pytest.approx(wanted)
    with pytest.raises(ClassSharesError, match="no label of Class & <9> in training and cannot map it"):
        known_shares(card, {1: 1, 2: 1, 9: 1})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "0 lines"),
        ("id,share\n", "1 lines"),
        ("id,area\n1,1\n2,1\n5,1\n", "Class & <9> of the model's classes are missing"),
        ("id,area\n1,1\n2,1\n5,1\n9,1\n7,1\n", "no class '7'"),
        ("id,area\n1,1\n1,1\n", "class '1' comes twice"),
        ("id,area\n1,1\nclass & <1>,1\n2,1\n5,1\n9,1\n", "comes twice"),
        ("id,area\n1,-1\n", "line 2 has '-1'"),
        ("id,area\n1,nan\n", "line 2 has 'nan'"),
        ("id,area\n1,1e999\n", "line 2 has '1e999'"),
        ("id,area\n1,two\n", "line 2 has 'two'"),
        ("id,area\n1,1,1\n", "line 2 has 3 columns"),
        ("id,hectares\n1,1\n", "its columns are id and hectares"),
        ("id,share\n1,0.1\n2,0.1\n5,0.1\n9,0.1\n", "sum to 0.4, not to 1 or 100"),
        ("id,area\n1,0\n2,0\n5,0\n9,0\n", "all are 0"),
        ('id,area\n"1,1\n', "a table of known areas"),
        ("id,area\n1," + "9" * 200_000 + "\n", "a table of known areas"),
        ("\x00\x01\x02", "a table of known areas"),
    ],
)
def test_tables_that_are_none_are_refused(model: Bundle, tmp_path: Path, content: str, expected: str) -> None:
    table = tmp_path / "areas.csv"
    table.write_text(content)
    with pytest.raises(ClassSharesError) as refused:
        known_shares(model.card, str(table))
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_tables_are_read_as_people_write_them(model: Bundle, tmp_path: Path) -> None:
    table = tmp_path / "areas.csv"
    for content in (
        "id,share\n1,0.1\n2,0.1\n5,0.2\n9,0.6\n",
        "\ufeffID\tName\tShare\n1\tx\t10\n2\ty\t10\n5\tz\t20\n\n9\tw\t60.5\n",
        "name,area\nclass & <1>,1\nClass & <2>,1\nCLASS & <5>,2\n9,6\n",
    ):
        table.write_text(content, encoding="utf-8")
        found = known_shares(model.card, table)
        assert found is not None
        assert found.wanted == pytest.approx(LABELS, abs=0.005)


@pytest.mark.parametrize("asked", ["nothing", "", "EQUAL", "/nowhere/areas.csv", Path("/nowhere/areas.csv")])
def test_what_is_neither_a_choice_nor_a_table_is_refused(model: Bundle, asked: Shares) -> None:
    with pytest.raises((UsageError, ClassSharesError)):
        known_shares(model.card, asked)


def test_an_estimate_that_cannot_be_is_refused_before_anything_is_written(
    cnn: Bundle, reader: AlignedReader, tmp_path: Path
) -> None:
    held_out = HeldOutEntry(labels=500, temperature=1, missed=0.4, chance=0.01)
    entry = ENTRY.model_copy(update={"default": "estimated", "held_out": held_out})
    bundle.save(tmp_path / "model", cnn.model, cnn.card.model_copy(update={"shares": entry}))
    with pytest.raises(ClassSharesError, match=r"of 500 held-out labels.* gives 40% to wrong classes"):
        map_scene(tmp_path / "model", reader, tmp_path / "map.tif")
    assert {path.name for path in tmp_path.iterdir()} == {"model", "input.tif"}
    map_scene(tmp_path / "model", reader, tmp_path / "map.tif", shares="equal")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"learned": (0.5, 0.5)}, "shares.learned has 2 entries for 4 classes"),
        ({"labels": (0.5, 0.5, 0.5, 0.5)}, "sums to 2, expected 1"),
        ({"default": "table"}, "known shares are there if and only if"),
        ({"default": "mine"}, "default"),
        ({"held_out": {"labels": 9, "temperature": 0, "missed": 0, "chance": 0}}, "temperature"),
    ],
)
def test_cards_whose_shares_are_none_are_refused(
    folder: Path, change: dict[str, object], expected: str
) -> None:
    path = folder / "card.json"
    raw = json.loads(path.read_text())
    raw["shares"] |= change
    path.write_text(json.dumps(raw))
    with pytest.raises(GeoXmodalError, match=expected):
        bundle.read_card(folder)
