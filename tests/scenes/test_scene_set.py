"""Scenes as one: classes and sensors by name, each on its own grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geo_xmodal.errors import LabelError, SceneError, UsageError
from geo_xmodal.scenes import Scene, join_scenes, open_scene, open_scenes
from geo_xmodal.types import Window
from tests.tiny import SIDE, write_other_scene, write_scene

WHOLE = Window(0, 0, SIDE, SIDE)


@pytest.fixture
def tiny(tmp_path: Path) -> Scene:
    return open_scene(write_scene(tmp_path / "tiny"))


def changed(folder: Path, *replacements: tuple[str, str]) -> Scene:
    """The scene after words of its scene.toml are replaced."""
    text = (folder / "scene.toml").read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    (folder / "scene.toml").write_text(text)
    return open_scene(folder)


def name_bands(path: Path, names: Sequence[str], order: Sequence[int] | None = None) -> None:
    """Give bands names, in another order if one is asked for."""
    with rasterio.open(path, "r+") as dataset:
        if order is not None:
            dataset.write(dataset.read([place + 1 for place in order]))
        dataset.descriptions = tuple(names)


class TestClasses:
    def test_classes_of_one_name_are_one_with_the_id_of_the_first(self, tiny: Scene, tmp_path: Path) -> None:
        other = open_scene(write_other_scene(tmp_path / "other"))
        joined = join_scenes([tiny, other])
        assert [(one.id, one.name) for one in joined.classes] == [
            (1, "Wheat"), (4, "Maize"), (9, "Water"), (3, "Forest"),
        ]  # fmt: skip
        assert joined.joined_classes() == [
            {"id": 1, "name": "Wheat", "scenes": {"tiny": 1}},
            {"id": 4, "name": "Maize", "scenes": {"tiny": 4, "other": 1}},
            {"id": 9, "name": "Water", "scenes": {"tiny": 9, "other": 2}},
            {"id": 3, "name": "Forest", "scenes": {"other": 3}},
        ]
        own = other.read_labels("train", WHOLE)
        expected = np.select([own == 1, own == 2, own == 3], [4, 9, 3], 0)
        np.testing.assert_array_equal(joined.members[1].read_labels("train", WHOLE), expected)

    def test_an_id_or_colour_that_is_taken_gives_way(self, tiny: Scene, tmp_path: Path) -> None:
        folder = write_other_scene(tmp_path / "other")
        other = changed(folder, ("id = 3\n", "id = 4\n"))  # Maize of the first scene
        forest = join_scenes([tiny, other]).classes[-1]
        assert forest.name == "Forest" and forest.id not in (1, 4, 9)
        assert forest.color not in [one.color for one in tiny.classes]  # it had that of Wheat

    def test_one_scene_is_as_it_is(self, tiny: Scene) -> None:
        joined = join_scenes(tiny)
        assert joined.classes == tiny.classes and not joined.several and joined.notes == ()
        np.testing.assert_array_equal(
            joined.members[0].read_labels("test", WHOLE), tiny.read_labels("test", WHOLE)
        )

    def test_scenes_without_a_common_class_are_refused(self, tiny: Scene, tmp_path: Path) -> None:
        folder = write_other_scene(tmp_path / "other")
        other = changed(folder, ('"maize"', '"Rye"'), ('"Water"', '"Lake"'))
        with pytest.raises(LabelError) as caught:
            join_scenes([tiny, other])
        message = str(caught.value)
        assert "tiny and other have no class in common" in message and "\n" not in message
        assert "tiny has Wheat, Maize, Water" in message and "other has Forest, Rye, Lake" in message

    def test_a_third_scene_may_link_two(self, tiny: Scene, tmp_path: Path) -> None:
        far = changed(
            write_other_scene(tmp_path / "far", name="far"), ('"maize"', '"Rye"'), ('"Water"', '"Lake"')
        )
        link = changed(write_other_scene(tmp_path / "link", name="link"), ('"Water"', '"Lake"'))
        joined = join_scenes([tiny, far, link])
        assert [one.name for one in joined.classes] == ["Wheat", "Maize", "Water", "Forest", "Rye", "Lake"]

    def test_more_classes_than_a_map_holds(self, tmp_path: Path) -> None:
        def many(name: str, start: int) -> Scene:
            folder = write_other_scene(tmp_path / name, name=name)
            more = "".join(
                f'[[classes]]\nid = {id_}\nname = "{name} {id_}"\ncolor = "#112233"\n'
                for id_ in range(4, 160)
            )
            return changed(folder, ("[labels.train]", f"{more}\n[labels.train]"))

        with pytest.raises(LabelError, match="a and b together: 255 classes and one more"):
            join_scenes([many("a", 4), many("b", 4)])

    def test_a_scene_without_labels_brings_no_class(self, tiny: Scene, tmp_path: Path) -> None:
        folder = write_other_scene(tmp_path / "other")
        text = (folder / "scene.toml").read_text()
        (folder / "scene.toml").write_text(text[: text.index("[labels.train]")])
        joined = join_scenes([tiny, open_scene(folder)])
        assert joined.classes == tiny.classes
        assert not joined.members[1].has_labels and len(joined.members[1].labels("train")) == 0


class TestSensors:
    def test_bands_in_another_order_are_put_in_the_first_scenes(self, tiny: Scene, tmp_path: Path) -> None:
        folder = write_other_scene(tmp_path / "other")
        first = open_scene(folder).reader("sar").read(WHOLE)
        name_bands(tiny.folder / "sar.tif", ["VV", "VH"])
        name_bands(folder / "sar.tif", ["vh", "vv"], order=[1, 0])
        member = join_scenes([tiny, open_scene(folder)]).members[1]
        np.testing.assert_array_equal(member.reader(member.target).read(WHOLE), first)

    def test_names_that_contradict_are_refused(self, tiny: Scene, tmp_path: Path) -> None:
        folder = write_other_scene(tmp_path / "other")
        name_bands(tiny.folder / "sar.tif", ["VV", "VH"])
        name_bands(folder / "sar.tif", ["HH", "HV"])
        with pytest.raises(
            SceneError, match="sar of other has the 2 bands HH, HV, sar of tiny the 2 bands VV, VH"
        ):
            join_scenes([tiny, open_scene(folder)])

    def test_bands_without_names_are_taken_by_their_place_which_is_said(
        self, tiny: Scene, tmp_path: Path
    ) -> None:
        joined = join_scenes([tiny, open_scene(write_other_scene(tmp_path / "other"))])
        assert [line.split(":")[0] for line in joined.notes] == ["sar of other", "hsi of other"]
        assert all("by their place" in line for line in joined.notes)

    def test_a_sensor_of_another_name_is_the_only_one_of_its_kind(self, tiny: Scene, tmp_path: Path) -> None:
        folder = write_other_scene(tmp_path / "other")
        other = changed(
            folder, ("modalities.sar", "modalities.radar"), ('target = "sar"', 'target = "radar"')
        )
        assert [one.target.name for one in join_scenes([tiny, other]).members] == ["sar", "radar"]
        two = changed(folder, ('kind = "hsi"', 'kind = "sar"'))
        with pytest.raises(SceneError, match=r"other has radar, hsi, and none of them is surely sar \(sar\)"):
            join_scenes([tiny, two])

    def test_a_sensor_of_another_kind_is_refused(self, tiny: Scene, tmp_path: Path) -> None:
        other = changed(write_other_scene(tmp_path / "other"), ('kind = "sar"', 'kind = "msi"'))
        with pytest.raises(SceneError, match="sar of other is msi, sar of tiny is sar"):
            join_scenes([tiny, other])

    def test_units_that_differ_are_refused(self, tiny: Scene, tmp_path: Path) -> None:
        folder = write_other_scene(tmp_path / "other")
        for path, unit in ((tiny.folder, "1"), (folder, "%")):
            with rasterio.open(path / "hsi.tif", "r+") as dataset:
                dataset.units = (unit,) * dataset.count
        with pytest.raises(SceneError, match="hsi of other is in %, hsi of tiny in 1"):
            join_scenes([tiny, open_scene(folder)])

    @pytest.mark.parametrize(("pixel", "fits"), [(10.4, True), (12.0, False), (20.0, False)])
    def test_pixels_of_another_size_are_refused(
        self, tiny: Scene, tmp_path: Path, pixel: float, fits: bool
    ) -> None:
        other = open_scene(write_other_scene(tmp_path / "other", pixel=pixel))
        if fits:
            assert len(join_scenes([tiny, other]).members) == 2
        else:
            with pytest.raises(
                SceneError, match=rf"tiny are 10 x 10 m, those of other {pixel:.4g} x .*align"
            ):
                join_scenes([tiny, other])

    def test_a_scene_without_the_auxiliary_sensor_takes_part(self, tiny: Scene, tmp_path: Path) -> None:
        folder = write_other_scene(tmp_path / "other")
        (folder / "hsi.tif").unlink()
        joined = join_scenes([open_scene(folder), tiny])
        assert [one.auxiliary and one.auxiliary.name for one in joined.members] == [None, "hsi"]
        assert any(line == "other has no hsi: its pixels are known to sar alone" for line in joined.notes)


class TestWhichScenes:
    def test_names_come_once(self, tiny: Scene, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"scene tiny \(.*\) is given twice"):
            join_scenes([tiny, open_scene(tiny.folder)])
        namesake = open_scene(write_other_scene(tmp_path / "other", name="tiny"))
        with pytest.raises(UsageError, match="two scenes are called 'tiny'"):
            join_scenes([tiny, namesake])

    def test_what_is_held_out_is_one_of_them_and_not_all(self, tiny: Scene, tmp_path: Path) -> None:
        other = open_scene(write_other_scene(tmp_path / "other"))
        for how in ("other", str(other.folder)):
            joined = join_scenes([tiny, other], hold_out=[how])
            assert joined.held_out == ("other",) and [one.name for one in joined.training] == ["tiny"]
        with pytest.raises(
            UsageError, match="'elsewhere' is to be held out, and none of the scenes: they are tiny, other"
        ):
            join_scenes([tiny, other], hold_out=["elsewhere"])
        with pytest.raises(UsageError, match=r"all scenes are held out \(tiny, other\)"):
            join_scenes([tiny, other], hold_out=["other", "tiny"])
        with pytest.raises(UsageError, match=r"all scenes are held out \(tiny\)"):
            join_scenes(tiny, hold_out=["tiny"])
        with pytest.raises(UsageError, match="no scene"):
            join_scenes([])

    def test_all_labels_of_a_scene_that_is_held_out_test(self, tiny: Scene, tmp_path: Path) -> None:
        other = open_scene(write_other_scene(tmp_path / "other"))
        member = join_scenes([tiny, other], hold_out=["other"]).members[1]
        train, test = (other.read_labels(side, WHOLE) > 0 for side in ("train", "test"))
        np.testing.assert_array_equal(member.read_labels("test", WHOLE) > 0, train | test)
        assert len(member.labels("train")) == 0

    def test_a_split_of_a_scene_that_is_held_out_is_undone(self, tiny: Scene, tmp_path: Path) -> None:
        folder = write_other_scene(tmp_path / "other")
        text = (folder / "scene.toml").read_text()
        start = text.index("[labels.train]")
        (folder / "scene.toml").write_text(
            text[:start] + '[labels.all]\nfile = "train.tif"\n[split]\nblock = 16\n'
        )
        member = join_scenes([tiny, open_scene(folder)], hold_out=["other"]).members[1]
        with rasterio.open(folder / "train.tif") as labels:
            np.testing.assert_array_equal(member.read_labels("test", WHOLE) > 0, labels.read(1) > 0)

    def test_scenes_are_named_one_by_one_by_a_folder_or_by_a_list(self, tmp_path: Path) -> None:
        both = tmp_path / "both"
        folders = [write_scene(both / "b"), write_other_scene(both / "c")]
        write_other_scene(tmp_path / "third", name="third")
        (tmp_path / "scenes.txt").write_text("# ours\nboth\n\nthird\n")
        for given, expected in (
            (folders, ["tiny", "other"]),
            ([both], ["tiny", "other"]),
            ([tmp_path / "scenes.txt"], ["tiny", "other", "third"]),
            ([tmp_path / "third" / "scene.toml", both], ["third", "tiny", "other"]),
        ):
            assert [one.name for one in open_scenes(given)] == expected
        write_scene(tmp_path / "twins" / "north west"), write_scene(tmp_path / "twins" / "south")
        twins = open_scenes([tmp_path / "twins", folders[1]])
        assert [one.name for one in twins] == ["north-west", "south", "other"]
        (tmp_path / "empty.txt").write_text("# nothing\n")
        with pytest.raises(UsageError, match=r"empty\.txt names no scene"):
            open_scenes([tmp_path / "empty.txt"])
        with pytest.raises(SceneError, match="no scene"):
            open_scenes([tmp_path / "nowhere"])
