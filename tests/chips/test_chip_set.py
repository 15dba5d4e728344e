"""Chips described by `chips.toml`: what is found, read and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geo_xmodal.chips import open_chips, survey
from geo_xmodal.errors import ChipError, GeoXmodalError, LabelError, RasterError
from geo_xmodal.types import Window
from tests.chips import sets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sets.fields(tmp_path, train=4, test=2, side=12)


def described(folder: Path, old: str, new: str) -> Path:
    text = (folder / "chips.toml").read_text()
    assert old in text
    (folder / "chips.toml").write_text(text.replace(old, new))
    return folder


def test_chips_are_found_and_read(folder: Path) -> None:
    chips = open_chips(folder)
    assert [chip.id for chip in chips.of("train")] == ["a0", "a1", "a2", "a3"]
    assert [chip.id for chip in chips.of("test")] == ["b0", "b1"]
    labels = chips.labels(chips.chips[0])
    assert labels is not None
    assert np.unique(labels).tolist() == [1, 2]  # the value 3 is Maize too
    # beyond the edge of a chip there is no data
    beyond = chips.reader(chips.chips[0], "msi").read(Window(0, 0, 2, 2), 1)
    assert beyond.shape == (3, 4, 4)
    assert np.isnan(beyond[:, 0]).all()
    assert np.isfinite(beyond[:, 1:, 1:]).all()


def test_a_survey_counts_every_split(folder: Path) -> None:
    found = survey(open_chips(folder))
    assert found.splits["train"].pixels.tolist() == [4 * 72, 4 * 72]
    assert (found.splits["test"].chips, found.splits["test"].labelled, found.splits["test"].pairs) == (
        2,
        2,
        2,
    )
    assert found.sizes == ((12, 12), (12, 12))
    assert found.sensors["msi"].band_names == ("band 1", "band 2", "band 3")


def test_a_chip_without_a_sensor_is_known_to_the_target_alone(folder: Path) -> None:
    (folder / "msi/a1.png").unlink()
    (folder / "sar/a2.tif").unlink()
    chips = open_chips(folder)
    assert "1 chip (a1) without msi: known to sar alone" in chips.notes
    assert "1 chip without sar left out, such as a2" in chips.notes
    assert [chip.id for chip in chips.of("train")] == ["a0", "a1", "a3"]


def test_a_chip_without_labels_is_named(folder: Path) -> None:
    for name in ("a0", "a3"):
        (folder / f"labels/{name}.png").unlink()
    chips = open_chips(folder)
    assert "2 chips (a0, a3) without labels: learned from as unlabelled, and not tested on" in chips.notes
    assert chips.labels(chips.chips[0]) is None


def test_labels_of_another_size(folder: Path) -> None:
    sets.write(folder / "labels/a0.png", sets.stripes(11, (1, 2)), "PNG")
    chips = open_chips(folder)
    with pytest.raises(LabelError, match=r"a0\.png: labels of 11 x 11 pixels for a chip of 12 x 12"):
        chips.labels(chips.chips[0])
    assert len(survey(chips).problems) == 1


def test_labels_of_no_class(folder: Path) -> None:
    sets.write(folder / "labels/a0.png", sets.stripes(12, (1, 7)), "PNG")
    chips = open_chips(folder)
    with pytest.raises(LabelError, match=r"a0\.png: values of no class: 7 \(72 pixels\)"):
        chips.labels(chips.chips[0])


def test_colours_of_no_class(tmp_path: Path) -> None:
    sets.vaihingen(tmp_path)
    name = "gts_for_participants/top_mosaic_09cm_area1.tif"
    sets.write(tmp_path / name, np.full((3, 20, 20), 7, np.uint8))
    chips = open_chips(tmp_path)
    with pytest.raises(LabelError, match=r"colours of no class: #070707 \(400 pixels\)"):
        chips.labels(chips.chips[0])


def test_colours_of_a_palette(tmp_path: Path) -> None:
    sets.vaihingen(tmp_path)
    path = tmp_path / "gts_for_participants/top_mosaic_09cm_area1.tif"
    path.unlink()
    sets.write(path, sets.stripes(20, (5, 9)), photometric="palette")
    import rasterio

    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {5: (0, 0, 255, 255), 9: (255, 0, 0, 255)})
    labels = open_chips(tmp_path).labels(open_chips(tmp_path).chips[0])
    assert labels is not None
    assert np.unique(labels).tolist() == [2, 6]


def test_other_bands_than_other_chips(folder: Path) -> None:
    sets.write(folder / "sar/a2.tif", np.ones((3, 12, 12), np.float32))
    chips = open_chips(folder)
    chips.reader(chips.chips[0], "sar")
    with pytest.raises(ChipError, match=r"a2\.tif: has 3 bands, .*a0\.tif has 2"):
        chips.reader(chips.chips[2], "sar")


def test_sensors_of_other_sizes_without_a_place(folder: Path) -> None:
    sets.write(folder / "msi/a0.png", np.ones((3, 6, 6), np.uint8), "PNG")
    chips = open_chips(folder)
    with pytest.raises(ChipError, match=r"a0\.png: has 6 x 6 pixels, sar of chip a0 has 12 x 12 pixels"):
        chips.reader(chips.chips[0], "msi")


def test_a_chip_in_two_splits_is_a_leak(folder: Path) -> None:
    (folder / "test.txt").write_text("b0\na3\nb1\na1\n")
    with pytest.raises(
        ChipError, match="2 chips in both train and test, such as a3: what trains must not test"
    ):
        open_chips(folder)


def test_a_list_may_name_chips_that_are_not_here(folder: Path) -> None:
    (folder / "test.txt").write_text("# test\n\nb0\nb9\n")
    chips = open_chips(folder)
    assert "test.txt names 1 chip of 2 that are not here: b9" in chips.notes
    assert "1 chip (b1) in no split: left out" in chips.notes


def test_folders_as_splits(tmp_path: Path) -> None:
    for split, name in (("training", "x"), ("testing", "x"), ("testing", "y")):
        sets.write(tmp_path / split / "images" / f"{name}.png", np.ones((3, 4, 4), np.uint8), "PNG")
    (tmp_path / "chips.toml").write_text(
        'name = "x"\ntarget = "rgb"\n[modalities.rgb]\nfiles = "{part}/images/{id}.png"\nkind = "msi"\n'
        '[splits.train]\nids = ["training/*"]\n[splits.test]\nids = ["testing/*"]\n'
    )
    chips = open_chips(tmp_path)
    assert [chip.id for chip in chips.of("test")] == ["testing/x", "testing/y"]


def test_a_table_names_files_that_differ(tmp_path: Path) -> None:
    sets.write(tmp_path / "s1/X1.tif", np.ones((2, 4, 4), np.float32))
    sets.write(tmp_path / "s2/Y9.tif", np.ones((4, 4, 4), np.float32))
    (tmp_path / "pairs.csv").write_text("radar,optical,split\nX1,Y9,test\nX2,Y8,\n")
    text = (
        'name = "x"\ntarget = "s1"\ntable = "pairs.csv"\n[modalities.s1]\nfiles = "s1/{radar}.tif"\n'
        'kind = "sar"\n[modalities.s2]\nfiles = "s2/{optical}.tif"\nkind = "msi"\n'
    )
    (tmp_path / "chips.toml").write_text(text)
    chips = open_chips(tmp_path)
    assert [(chip.id, chip.split, len(chip.sensors)) for chip in chips.chips] == [("X1/Y9", "test", 2)]
    (tmp_path / "pairs.csv").write_text("radar,optical\n../X1,Y9\n")
    with pytest.raises(ChipError, match=r"line 2: '\.\./X1' is no part of a file's name"):
        open_chips(tmp_path)
    (tmp_path / "pairs.csv").write_text("radar\nX1\n")
    with pytest.raises(ChipError, match="has no column optical"):
        open_chips(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('kind = "sar"', 'kind = "sar"\nnodat = 0', "unknown key 'nodat'; did you mean 'nodata'?"),
        ("sar/{id}.tif", "../sar/{id}.tif", "inside it"),
        ("sar/{id}.tif", "sar/a.tif", "must hold a placeholder"),
        ("sar/{id}.tif", "sar/{Id}.tif", "placeholders are small letters in braces"),
        ("sar/{id}.tif", "sar/{number}.tif", "have different placeholders"),
        ("sar/{id}.tif", "sar/{a}{id}.tif", "needs a letter between two placeholders"),
        ('target = "sar"', 'target = "radar"', "target = 'radar' is not a modality; modalities: sar, msi"),
        ("values = [2, 3]", "values = [1]", "classes: value 1 is used more than once"),
        ('ids = ["a*"]', "rest = false", "expected one of file, ids, share and rest = true"),
        ("[splits.train]", "[splits.training]", "splits.training"),
        ('name = "fields"', 'name = "fields"\ngroup = "city"', "group = 'city' is no placeholder"),
    ],
)
def test_descriptions_that_do_not_fit(folder: Path, old: str, new: str, problem: str) -> None:
    described(folder, old, new)
    with pytest.raises(ChipError) as refused:
        open_chips(folder)
    assert problem in str(refused.value)
    assert "chips.toml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_chip(folder: Path) -> None:
    described(folder, "sar/{id}.tif", "radar/{id}.tif")
    with pytest.raises(ChipError, match=r"no chip: no file is called 'radar/\{id\}\.tif'"):
        open_chips(folder)


def test_no_file_out_of_the_folder_is_read(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = sets.write(tmp_path_factory.mktemp("private") / "a.tif", np.ones((2, 12, 12), np.float32))
    (folder / "sar/a0.tif").unlink()
    (folder / "sar/a0.tif").symlink_to(elsewhere)
    chips = open_chips(folder)
    with pytest.raises(ChipError, match="leads out of the folder of chips"):
        chips.reader(chips.chips[0], "sar")


def test_files_that_are_not_what_they_are_called(folder: Path) -> None:
    chips = open_chips(folder)
    (folder / "msi/a0.png").write_bytes(b"<VRTDataset rasterXSize='1' rasterYSize='1'/>")
    with pytest.raises(
        RasterError, match="not a GeoTIFF or JPEG or JPEG 2000 or PNG but an HTML or XML page"
    ):
        chips.reader(chips.chips[0], "msi")
    whole = (folder / "msi/a1.png").read_bytes()
    (folder / "msi/a1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GeoXmodalError, match=r"a1\.png"):
        chips.reader(chips.chips[1], "msi").read(Window(0, 0, 12, 12))
