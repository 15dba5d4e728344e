"""Copies of known sets, recognised and read: values and splits follow from how the copies were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geo_xmodal.chips import ChipSet, open_chips, survey
from geo_xmodal.errors import ChipError
from geo_xmodal.types import Window
from tests.chips import sets


def ids_of(chips: ChipSet, split: str) -> list[str]:
    return [chip.id for chip in chips.of(split)]  # type: ignore[arg-type]


def first_values(chips: ChipSet, sensor: str, number: int = 0) -> np.ndarray:
    return chips.reader(chips.chips[number], sensor).read(Window(0, 0, 1, 1))[:, 0, 0]


def test_vaihingen(tmp_path: Path) -> None:
    chips = open_chips(sets.vaihingen(tmp_path))
    assert chips.layout == "vaihingen"
    assert (ids_of(chips, "train"), ids_of(chips, "test")) == (["1", "3"], ["2"])
    found = survey(chips)
    # four stripes of five rows: three classes, and black borders between them
    assert found.splits["train"].pixels.tolist() == [200, 200, 200, 0, 0, 0]
    assert not found.problems
    assert found.sensors["dsm"].chips == 3
    assert 250 < first_values(chips, "dsm")[0] < 310


def test_vaihingen_as_it_is_unpacked_with_all_labels(tmp_path: Path) -> None:
    sets.vaihingen(tmp_path)
    images = tmp_path / "ISPRS_semantic_labeling_Vaihingen"
    images.mkdir()
    for name in ("top", "dsm"):
        (tmp_path / name).rename(images / name)
    (tmp_path / "gts_for_participants").rename(
        tmp_path / "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE"
    )
    chips = open_chips(tmp_path)
    assert [len(chip.sensors) for chip in chips.chips] == [2, 2, 2]
    assert all(chip.labelled for chip in chips.chips)


def test_globe230k(tmp_path: Path) -> None:
    chips = open_chips(sets.globe230k(tmp_path))
    assert chips.layout == "globe230k"
    test = ids_of(chips, "test")
    assert len(test) + len(ids_of(chips, "train")) == 12
    assert 0 < len(test) < 7
    odd = next(number for number, chip in enumerate(chips.chips) if chip.id == "data_3")
    assert first_values(chips, "dem", odd)[0] == 103.0
    np.testing.assert_allclose(first_values(chips, "sar", odd), [0.1, 0.1], rtol=1e-6)  # -10 dB
    assert any("6 chips (data_10, data_12, data_2, ...) without sar" in note for note in chips.notes)
    labels = chips.labels(chips.chips[0])
    assert labels is not None
    assert np.unique(labels).tolist() == [1, 10]


def test_which_chips_test_does_not_depend_on_which_are_there(tmp_path: Path) -> None:
    few, many = (open_chips(sets.globe230k(tmp_path / str(count), count)) for count in (6, 12))
    assert set(ids_of(few, "test")) == set(ids_of(many, "test")) & {chip.id for chip in few.chips}


def test_geonrw(tmp_path: Path) -> None:
    chips = open_chips(sets.geonrw(tmp_path))
    assert chips.layout == "geonrw"
    assert ids_of(chips, "test") == ["neuss/286_5626"]
    assert ids_of(chips, "train") == ["aachen/286_5626", "aachen/287_5626", "bonn/286_5626"]
    assert [chips.group(chip) for chip in chips.of("train")] == ["aachen", "aachen", "bonn"]
    picture = np.random.default_rng(0).integers(
        1, 255, (3, 32, 32), np.uint8
    )  # what the first chip was made of
    read = chips.reader(chips.chips[0], "rgb").read(Window(0, 0, 32, 32))
    np.testing.assert_array_equal(read, picture.astype(np.float32))
    labels = chips.labels(chips.chips[0])
    assert labels is not None
    assert np.unique(labels).tolist() == [0, 1, 2, 10]
    assert chips.classes[9].name == "Buildings"


def test_sen12ms(tmp_path: Path) -> None:
    chips = open_chips(sets.sen12ms(tmp_path))
    assert chips.layout == "sen12ms"
    assert ids_of(chips, "train") == ["ROIs1158_spring/1/30", "ROIs1158_spring/1/31"]
    assert ids_of(chips, "test") == ["ROIs1868_summer/59/2"]
    labels = chips.labels(chips.chips[0])
    assert labels is not None
    names = {land.id: land.name for land in chips.classes}
    # IGBP 1 and 5 are forest, 12 croplands, 17 water
    assert [names[int(labels[row, 0])] for row in (0, 4, 8, 12)] == ["Forest", "Forest", "Croplands", "Water"]
    np.testing.assert_allclose(first_values(chips, "s1"), [0.01, 0.01], rtol=1e-6)  # -20 dB


def test_sen12ms_without_its_lists(tmp_path: Path) -> None:
    sets.sen12ms(tmp_path)
    (tmp_path / "test_list.txt").unlink()
    (tmp_path / "train_list.txt").unlink()
    chips = open_chips(tmp_path)
    assert len(ids_of(chips, "train")) == 3
    assert any("train_list.txt and test_list.txt not here: every chip trains" in note for note in chips.notes)


def test_bigearthnet_v1_gives_pairs_without_labels(tmp_path: Path) -> None:
    chips = open_chips(sets.bigearthnet_v1(tmp_path))
    assert chips.layout == "bigearthnet-v1"
    assert len(chips.of("train")) == 2
    assert not chips.classes
    assert chips.labels(chips.chips[0]) is None
    reader = chips.reader(chips.chips[1], "s2")
    assert reader.band_names == sets.S2_BANDS
    # bands of 20 and 60 m come onto the 10 m grid
    np.testing.assert_array_equal(reader.read(Window(0, 0, 12, 12))[:, 6, 6], 4600 + np.arange(12))
    np.testing.assert_allclose(first_values(chips, "s1"), [0.1, 0.01], rtol=1e-6)


def test_bigearthnet_v2_reads_reference_maps_and_its_metadata(tmp_path: Path) -> None:
    chips = open_chips(sets.bigearthnet_v2(tmp_path))
    assert chips.layout == "bigearthnet-v2"
    assert [len(chips.of(split)) for split in ("train", "test")] == [1, 1]  # type: ignore[arg-type]
    labels = chips.labels(chips.chips[0])
    assert labels is not None
    names = {land.id: land.name for land in chips.classes} | {0: "none"}
    # CORINE 112, 211, 523 and 999
    assert [names[int(labels[row, 0])] for row in (0, 3, 6, 9)] == [
        "Urban fabric", "Arable land", "Marine waters", "none",
    ]  # fmt: skip


def test_bigearthnet_v2_takes_its_metadata_as_csv(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    sets.bigearthnet_v2(tmp_path)
    rows = pq.read_table(tmp_path / "metadata.parquet").to_pylist()
    (tmp_path / "metadata.parquet").unlink()
    lines = [
        "patch_id,s1_name,split",
        *(f"{row['patch_id']},{row['s1_name']},{row['split']}" for row in rows),
    ]
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    assert [len(open_chips(tmp_path).of(split)) for split in ("train", "test")] == [1, 1]  # type: ignore[arg-type]


def test_a_layout_that_it_is_not(tmp_path: Path) -> None:
    sets.sen12ms(tmp_path)
    with pytest.raises(ChipError, match=r"no chip of GeoNRW.*\{city\}/\{tile\}_rgb\.jp2"):
        open_chips(tmp_path, layout="geonrw")
    with pytest.raises(ChipError, match="unknown layout 'potsdam': choose one of vaihingen"):
        open_chips(tmp_path, layout="potsdam")


def test_a_folder_that_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(ChipError, match=r"holds no chips\.toml, and looks like no known set"):
        open_chips(tmp_path)
    with pytest.raises(ChipError, match="no such folder"):
        open_chips(tmp_path / "absent")


@pytest.mark.parametrize("paired_lines", [False, True])
@pytest.mark.parametrize(("name", "labels", "classes"), [("nyuv2", "Label", 40), ("sunrgbd", "labels", 37)])
def test_indoor_sets(tmp_path: Path, name: str, labels: str, classes: int, paired_lines: bool) -> None:
    chips = open_chips(sets.indoor(tmp_path, labels, paired_lines))
    assert chips.layout == name and len(chips.classes) == classes
    assert (ids_of(chips, "train"), ids_of(chips, "test")) == (["0", "1"], ["2", "3"])
    assert chips.chips[0].sensors == {"rgb", "hha", "depth"}
    found = chips.labels(chips.chips[0])
    assert found is not None and np.unique(found).tolist() == [0, 1, 37]
    assert chips.classes[36].name == "Bag"


def test_a_line_of_neither_form_is_refused(tmp_path: Path) -> None:
    folder = sets.indoor(tmp_path, "Label")
    (folder / "train.txt").write_text("RGB/0.jpg Label/1.png\n")
    with pytest.raises(ChipError, match=r"line 1: 'RGB/0.jpg Label/1.png' is not of the form '{id}' or 'RGB"):
        open_chips(folder)
