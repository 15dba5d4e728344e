from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pydantic import ValidationError

from geo_xmodal.errors import LabelError, RasterError, SceneError, TrainingDataError, UsageError
from geo_xmodal.raster import aligned_reader
from geo_xmodal.samples import patches
from geo_xmodal.samples.groups import GatherOptions, gather
from geo_xmodal.samples.patches import block_side
from geo_xmodal.samples.pools import PixelPool, position_keys, unlabelled_pools
from geo_xmodal.scenes import labelled
from geo_xmodal.scenes.config import parse_config, write_config
from geo_xmodal.scenes.labelled import labelled_pixels, labelled_windows, read_split
from geo_xmodal.scenes.scene import Scene, open_scene
from geo_xmodal.types import IntArray, PixelGroup, TrainingData, Window, windows_over
from tests import rasters

ROWS, COLS = 90, 70
AUXILIARY_COL = 40
"""The auxiliary sensor covers the columns from here on."""

GROUPS = ("labelled_pairs", "labelled_target", "unlabelled_pairs", "unlabelled_target", "validation")
FloatImage = npt.NDArray[np.floating[Any]]


def coordinates() -> FloatImage:
    """Two bands whose values say where they come from."""
    rows, cols = np.mgrid[:ROWS, :COLS]
    return np.stack([rows * 1000 + cols + 1, rows - cols]).astype(np.float32)


def write_tif(path: Path, bands: npt.NDArray[Any], col: int = 0) -> None:
    transform = Affine(10, 0, 500_000 + 10 * col, 0, -10, 5_800_000)
    rasters.write_raster(path, bands, GeoBox(bands.shape[1:], transform, "EPSG:32633"))


def stripes() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Training labels in rows 0 to 39 and test labels from row 60 on, every third pixel, three classes."""
    rows, cols = np.mgrid[:ROWS, :COLS]
    ids = np.where((rows % 3 == 0) & (cols % 3 == 0), cols // 9 % 3 + 1, 0).astype(np.uint8)
    return np.where(rows < 40, ids, 0).astype(np.uint8), np.where(rows >= 60, ids, 0).astype(np.uint8)


def make_scene(
    folder: Path,
    *,
    target: FloatImage | None = None,
    auxiliary: FloatImage | None = None,
    ids: tuple[npt.NDArray[np.uint8], ...] | None = None,
    modalities: Mapping[str, Any] | None = None,
    **config: Any,
) -> Scene:
    folder.mkdir(exist_ok=True)
    write_tif(folder / "msi.tif", coordinates() if target is None else target)
    write_tif(
        folder / "hsi.tif",
        -coordinates()[:, :, AUXILIARY_COL:] if auxiliary is None else auxiliary,
        col=AUXILIARY_COL,
    )
    train, test = stripes() if ids is None else (*ids, np.zeros_like(ids[0]))[:2]
    write_tif(folder / "train.tif", train[None])
    write_tif(folder / "test.tif", test[None])
    table = {
        "name": "stripes",
        "target": "msi",
        "modalities": modalities
        or {"msi": {"file": "msi.tif", "kind": "msi"}, "hsi": {"file": "hsi.tif", "kind": "hsi"}},
        "classes": [{"id": one, "name": f"class {one}", "color": "#112233"} for one in (1, 2, 3)],
        "labels": {"train": {"file": "train.tif"}, "test": {"file": "test.tif"}},
    }
    write_config(parse_config(table | config), folder)
    return open_scene(folder)


def options(**given: Any) -> GatherOptions:
    return GatherOptions(**({"margin": 2, "unlabelled": 300} | given))


def equal(first: TrainingData, second: TrainingData) -> bool:
    same = first.target == second.target and first.auxiliary == second.auxiliary
    for name in GROUPS:
        for field in ("position", "target", "auxiliary", "label"):
            one, other = getattr(getattr(first, name), field), getattr(getattr(second, name), field)
            one, other = (getattr(each, "held", each) for each in (one, other))
            same &= one is other if one is None else np.array_equal(one, other, equal_nan=True)
    return same


def flat(position: IntArray) -> set[int]:
    return set((position[:, 0] * COLS + position[:, 1]).tolist())


def distance(first: IntArray, second: IntArray) -> int:
    """Smallest Chebyshev distance between two sets of pixels."""
    return int(np.abs(first[:, None] - second[None]).max(axis=2).min())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path / "scene")


class TestGroups:
    def test_patches_hold_what_lies_around_their_pixel(self, scene: Scene) -> None:
        data = gather(scene, options(margin=2, auxiliary_margin=1))
        padded = np.pad(coordinates(), ((0, 0), (2, 2), (2, 2)), constant_values=np.nan)
        auxiliary = np.full((2, ROWS + 2, COLS + 2), np.nan, np.float32)
        auxiliary[:, 1:-1, AUXILIARY_COL + 1 : -1] = -coordinates()[:, :, AUXILIARY_COL:]
        for name in GROUPS:
            group: PixelGroup = getattr(data, name)
            assert len(group) > 0
            for place, (row, col) in enumerate(group.position):
                expected = padded[:, row : row + 5, col : col + 5]
                assert np.array_equal(group.target.held[place], expected, equal_nan=True)
                if name.endswith("pairs"):
                    assert group.auxiliary is not None
                    assert np.array_equal(
                        group.auxiliary.held[place],
                        auxiliary[:, row : row + 3, col : col + 3],
                        equal_nan=True,
                    )

    def test_pairs_are_where_both_sensors_have_data(self, scene: Scene) -> None:
        data = gather(scene, options())
        for name in ("labelled_pairs", "unlabelled_pairs"):
            assert (getattr(data, name).position[:, 1] >= AUXILIARY_COL).all()
        for name in ("labelled_target", "unlabelled_target"):
            assert (getattr(data, name).position[:, 1] < AUXILIARY_COL).all()
            assert getattr(data, name).auxiliary is None
        assert data.validation.auxiliary is None

    def test_labels_are_indices_into_the_classes(self, scene: Scene) -> None:
        data = gather(scene, options())
        train, _ = stripes()
        for name in ("labelled_pairs", "labelled_target", "validation"):
            group = getattr(data, name)
            assert group.label.dtype == np.int64
            ids = [data.classes[index].id for index in group.label]
            assert ids == train[group.position[:, 0], group.position[:, 1]].tolist()
        assert data.unlabelled_pairs.label is None and data.unlabelled_target.label is None

    def test_no_pixel_is_in_two_groups(self, scene: Scene) -> None:
        data = gather(scene, options(unlabelled=10_000))
        sets = [flat(getattr(data, name).position) for name in GROUPS]
        assert sum(map(len, sets)) == len(set().union(*sets))

    def test_every_free_pixel_is_drawn_when_the_cap_allows(self, scene: Scene) -> None:
        data = gather(scene, options(unlabelled=10_000, margin=0, validation=0))
        train, test = stripes()
        drawn = len(data.unlabelled_pairs) + len(data.unlabelled_target)
        assert drawn == ROWS * COLS - (train > 0).sum() - (test > 0).sum()

    def test_holes_of_one_band_are_holes(self, tmp_path: Path) -> None:
        target, auxiliary = coordinates(), -coordinates()[:, :, AUXILIARY_COL:]
        target[1, :6] = np.nan
        auxiliary[0, :, 20:] = np.nan
        data = gather(
            make_scene(tmp_path / "holes", target=target, auxiliary=auxiliary), options(validation=0)
        )
        for name in GROUPS:
            assert (getattr(data, name).position[:, 0] >= 6).all()
        assert data.labelled_pairs.position[:, 1].max() < AUXILIARY_COL + 20
        assert data.labelled_target.position[:, 1].max() >= AUXILIARY_COL + 20
        assert data.notes["labelled_without_target_data"] == 2 * 24

    def test_a_scene_of_one_sensor_has_no_pairs(self, tmp_path: Path) -> None:
        one = make_scene(tmp_path / "one", modalities={"msi": {"file": "msi.tif", "kind": "msi"}})
        data = gather(one, options(unlabelled_target=300))
        assert data.auxiliary is None and len(data.labelled_pairs) == len(data.unlabelled_pairs) == 0
        assert len(data.labelled_target) > 0 and len(data.unlabelled_target) == 300

    def test_the_control_has_the_same_pixels(self, scene: Scene) -> None:
        data = gather(scene, options())
        control = data.without_auxiliary()
        pairs = flat(data.labelled_pairs.position) | flat(data.labelled_target.position)
        assert flat(control.labelled_target.position) == pairs


class TestModalities:
    def many(self, folder: Path) -> Scene:
        kinds = {"dsm": "lidar", "msi": "msi", "hsi": "hsi"}
        scene = make_scene(
            folder,
            modalities={name: {"file": f"{name}.tif", "kind": kind} for name, kind in kinds.items()},
        )
        write_tif(folder / "dsm.tif", coordinates()[:1])
        return scene

    def test_hyperspectral_is_auxiliary_unless_another_is_named(self, tmp_path: Path) -> None:
        scene = self.many(tmp_path / "many")
        found = gather(scene, options())
        assert found.auxiliary is not None and found.auxiliary.name == "hsi"
        named = gather(scene, options(target="hsi", auxiliary="dsm"))
        assert named.target.name == "hsi" and named.auxiliary is not None and named.auxiliary.name == "dsm"
        assert named.auxiliary.statistics.transform == ("identity",)

    def test_a_missing_sensor_is_passed_over_unless_it_is_named(self, tmp_path: Path) -> None:
        scene = self.many(tmp_path / "many")
        scene.path("hsi").unlink()
        found = gather(scene, options())
        assert found.auxiliary is not None and found.auxiliary.name == "dsm"
        with pytest.raises(RasterError, match=r"hsi\.tif"):
            gather(scene, options(auxiliary="hsi"))

    def test_names_must_be_two_known_ones(self, scene: Scene) -> None:
        with pytest.raises(UsageError, match="msi is both"):
            gather(scene, options(auxiliary="msi"))
        with pytest.raises(SceneError, match="no modality 'sar'"):
            gather(scene, options(target="sar"))

    def test_unknown_options_are_refused(self) -> None:
        with pytest.raises(ValidationError, match="margins"):
            GatherOptions.model_validate({"margins": 3})
        assert all(field.description for field in GatherOptions.model_fields.values())


class TestHonesty:
    @pytest.mark.parametrize(("margin", "auxiliary_margin"), [(0, 0), (3, 0), (1, 4)])
    def test_no_unlabelled_patch_holds_a_test_pixel(
        self, scene: Scene, margin: int, auxiliary_margin: int
    ) -> None:
        data = gather(scene, options(margin=margin, auxiliary_margin=auxiliary_margin, unlabelled=10_000))
        test = np.argwhere(stripes()[1])
        reach = max(margin, auxiliary_margin)
        for name in ("unlabelled_pairs", "unlabelled_target"):
            position = getattr(data, name).position
            # No further than needed either.
            assert distance(position, test) == reach + 1
            assert distance(position, data.validation.position) > reach

    def test_transductive_lets_test_pixels_in(self, scene: Scene) -> None:
        test = flat(np.argwhere(stripes()[1]))
        honest, transductive = (
            gather(scene, options(unlabelled=10_000, transductive=flag)) for flag in (False, True)
        )
        assert not test & (flat(honest.unlabelled_pairs.position) | flat(honest.unlabelled_target.position))
        assert test <= (
            flat(transductive.unlabelled_pairs.position) | flat(transductive.unlabelled_target.position)
        )
        assert transductive.notes["transductive"] and not honest.notes["transductive"]

    def test_unlabelled_pixels_can_be_the_test_pixels(self, scene: Scene) -> None:
        asked: dict[str, Any] = {"transductive": True, "unlabelled_from": "test"}
        data = gather(scene, options(unlabelled_target=10_000, **asked))
        assert flat(data.unlabelled_target.position) == flat(np.argwhere(stripes()[1]))
        assert len(data.unlabelled_pairs) == 0 and data.unlabelled_target.label is None
        some = gather(scene, options(unlabelled_target=20, **asked)).unlabelled_target
        assert len(some) == 20 and flat(some.position) < flat(data.unlabelled_target.position)
        with pytest.raises(ValidationError, match="needs transductive=true"):
            options(unlabelled_from="test")

    def test_test_pixels_beside_validation_pixels_do_not_train(self, tmp_path: Path) -> None:
        rows, cols = np.mgrid[:ROWS, :COLS]
        ids = np.where((rows % 3 == 0) & (cols % 3 == 0), cols // 9 % 3 + 1, 0).astype(np.uint8)
        train = np.where(cols >= 36, ids, 0).astype(np.uint8)
        test = np.where(cols < 36, ids, 0).astype(np.uint8)
        scene = make_scene(tmp_path / "beside", ids=(train, test))
        data = gather(scene, options(margin=4, transductive=True, unlabelled_from="test"))
        near = distance(data.unlabelled_target.position, data.validation.position)
        assert 4 < near <= 4 + 3
        assert 0 < len(data.unlabelled_target) < np.count_nonzero(test)

    def test_pixels_that_train_and_test_are_refused(self, tmp_path: Path) -> None:
        train, test = stripes()
        test[:2] = train[:2]
        scene = make_scene(tmp_path / "leak", ids=(train, test))
        with pytest.raises(LabelError, match=r"24 of 336 training pixels are test pixels too"):
            gather(scene, options())

    @pytest.mark.parametrize("transductive", [False, True])
    def test_statistics_come_from_training_pixels_only(self, tmp_path: Path, transductive: bool) -> None:
        first = gather(make_scene(tmp_path / "plain"), options(transductive=transductive))
        training = [getattr(first, name).position for name in GROUPS[:4]]
        spoilt = np.full((2, ROWS, COLS), 1e6, np.float32)
        for rows, cols in (position.T for position in training):
            spoilt[:, rows, cols] = coordinates()[:, rows, cols]
        spoilt_auxiliary = np.full((2, ROWS, COLS), 1e6, np.float32)
        for rows, cols in (training[0].T, training[2].T):
            spoilt_auxiliary[:, rows, cols] = -coordinates()[:, rows, cols]
        second = gather(
            make_scene(tmp_path / "spoilt", target=spoilt, auxiliary=spoilt_auxiliary[:, :, AUXILIARY_COL:]),
            options(transductive=transductive),
        )
        assert first.target == second.target
        assert first.auxiliary == second.auxiliary
        values = np.concatenate(
            [coordinates()[:, rows, cols] for rows, cols in (p.T for p in training)], axis=1
        )
        assert first.target.statistics.high == pytest.approx(np.percentile(values, 99.5, axis=1))

    def test_validation_patches_share_no_pixel_with_training(self, scene: Scene) -> None:
        data = gather(scene, options(margin=2, validation=0.3))
        train = np.concatenate([data.labelled_pairs.position, data.labelled_target.position])
        assert len(data.validation) > 0
        assert distance(train, data.validation.position) > 4
        assert data.notes["dropped_beside_validation"] == 336 - len(train) - len(data.validation)

    def test_notes_say_what_was_done(self, scene: Scene) -> None:
        notes = gather(scene, options(validation=0)).notes
        assert json.loads(json.dumps(notes)) == notes
        assert notes["counts"]["labelled_pairs"] + notes["counts"]["labelled_target"] == 336
        assert sum(notes["per_class"]["labelled_pairs"].values()) == notes["counts"]["labelled_pairs"]
        assert notes["overlap_share"] == 0.0
        # Rows 58 to 89 lie within two pixels of a test pixel; 240 pixels of rows 60 on are themselves tests.
        unlabelled = ROWS * COLS - 336
        assert notes["excluded_unlabelled_share"] == pytest.approx(32 * COLS / unlabelled)
        assert notes["test_pixels"] == 240

    def test_overlap_of_training_and_test_patches_is_reported(self, tmp_path: Path) -> None:
        train, _ = stripes()
        test = np.zeros_like(train)
        test[1, 1] = test[89, 5] = 1
        scene = make_scene(tmp_path / "near", ids=(train, test))
        assert gather(scene, options(margin=1, validation=0)).notes["overlap_share"] == 0.5


class TestDraws:
    def test_blocks_and_windows_do_not_change_the_data(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = options(margin=3, auxiliary_margin=1, unlabelled=200)
        first = gather(scene, given)
        monkeypatch.setattr(patches, "_BLOCK", 17)
        monkeypatch.setattr(patches, "_BLOCK_VALUES", 1)
        monkeypatch.setattr(labelled, "_WINDOW", 23)
        assert equal(first, gather(scene, given))

    def test_the_same_seed_gives_the_same_data(self, scene: Scene) -> None:
        assert equal(gather(scene, options(seed=4)), gather(scene, options(seed=4)))
        assert not equal(gather(scene, options(seed=4)), gather(scene, options(seed=5)))

    def test_labels_a_class_are_drawn_by_seed(self, scene: Scene) -> None:
        draws = []
        for seed in range(3):
            data = gather(scene, options(labels_per_class=7, seed=seed))
            assert data.labelled_pairs.label is not None and data.labelled_target.label is not None
            label = np.concatenate([data.labelled_pairs.label, data.labelled_target.label])
            assert np.bincount(label).tolist() == [7, 7, 7]
            assert len(data.validation) == 0
            draws.append(flat(data.labelled_pairs.position) | flat(data.labelled_target.position))
        assert len(set(map(frozenset, draws))) == 3

    def test_the_unlabelled_cap_holds_for_each_group(self, scene: Scene) -> None:
        data = gather(scene, options(unlabelled=50, unlabelled_target=40))
        assert (len(data.unlabelled_pairs), len(data.unlabelled_target)) == (50, 40)
        assert len(gather(scene, options(unlabelled_target=0)).unlabelled_target) == 0

    def test_pools_are_uniform_nested_and_free_of_the_order_shown(self) -> None:
        pixels = np.argwhere(np.ones((200, 200), bool))
        pool, shuffled, larger = PixelPool(4000, 1), PixelPool(4000, 1), PixelPool(8000, 1)
        rng = np.random.default_rng(0)
        for part in np.array_split(pixels, 13):
            pool.add(part)
            larger.add(part)
        for part in np.array_split(rng.permutation(pixels), 7):
            shuffled.add(part)
        assert (pool.positions == shuffled.positions).all()
        assert len(pool.positions) == 4000
        assert set(map(tuple, pool.positions)) < set(map(tuple, larger.positions))
        quarters = np.bincount(pool.positions[:, 0] // 100 * 2 + pool.positions[:, 1] // 100)
        assert np.abs(quarters - 1000).max() < 5 * np.sqrt(1000 * 0.75)

    def test_of_a_large_scene_some_windows_are_read(self, tmp_path: Path) -> None:
        grid = rasters.utm_grid(256, 512)
        values = np.ones((64, 256, 512), np.float32)
        rasters.write_raster(tmp_path / "a.tif", values[:2], grid)
        rasters.write_raster(tmp_path / "b.tif", values, grid)
        readers = [aligned_reader(tmp_path / f"{name}.tif", grid=grid, kind="other") for name in "ab"]
        nothing = np.empty((0, 2), np.int64)
        side = block_side(2 + 64)

        told: list[int] = []

        def seen(seed: int) -> set[tuple[int, int]]:
            pools = unlabelled_pools(
                *readers,
                nothing,
                nothing,
                0,
                10**6,
                0,
                seed,
                lambda done, *_: told.append(done),
                max_windows=1,
            )
            return set(map(tuple, (pools.pairs // side).tolist()))

        assert all(len(seen(seed)) == 1 for seed in range(3))
        assert seen(0) == seen(0)
        assert len(set.union(*(seen(seed) for seed in range(8)))) == 2
        assert set(told) == {2}  # of 2: nothing is left to be read

    def test_keys_are_splitmix64(self) -> None:
        # The first two outputs of the generator seeded with 0.
        assert hex(position_keys(np.array([[0, 0]]), seed=1)[0]) == "0xe220a8397b1dcdaf"
        assert hex(position_keys(np.array([[0, 0]]), seed=2)[0]) == "0x6e789e6aa1b965f4"

    def test_no_two_pixels_have_one_key(self) -> None:
        wide = np.stack(np.divmod(np.arange(300_000), 100_000), axis=1)
        assert len(np.unique(position_keys(wide, seed=3))) == len(wide)

    def test_progress_is_told_to_the_end(self, scene: Scene) -> None:
        told: list[tuple[int, int, str]] = []
        gather(scene, options(), lambda done, total, message: told.append((done, total, message)))
        assert {message for done, total, message in told if done == total} == {
            "looking for data in msi.tif",
            "looking for data in hsi.tif",
            "looking for unlabelled pixels",
            "reading patches of msi.tif",
            "reading patches of hsi.tif",
        }


class TestRefusals:
    def test_no_training_label(self, tmp_path: Path) -> None:
        train, test = stripes()
        with pytest.raises(LabelError, match="no training label lies on the grid"):
            gather(make_scene(tmp_path / "none", ids=(np.zeros_like(train), test)), options())

    def test_no_labels_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(LabelError, match=r"no labels for 'test'|no labels for 'train'"):
            gather(make_scene(tmp_path / "bare", labels={}), options())

    def test_one_class(self, tmp_path: Path) -> None:
        train, test = stripes()
        train[train > 1] = 0
        with pytest.raises(LabelError, match=r"are of class 'class 1'; at least two"):
            gather(make_scene(tmp_path / "one", ids=(train, test)), options())

    def test_labels_outside_the_class_list(self, tmp_path: Path) -> None:
        train, test = stripes()
        train[0, 0] = 9
        with pytest.raises(LabelError, match=r"train\.tif: .*'9' \(1 pixel\)"):
            gather(make_scene(tmp_path / "nine", ids=(train, test)), options())

    def test_a_target_without_data(self, tmp_path: Path) -> None:
        empty = np.full((2, ROWS, COLS), np.nan, np.float32)
        with pytest.raises(TrainingDataError, match=r"msi\.tif: none of 336 training pixels.*empty there"):
            gather(make_scene(tmp_path / "empty", target=empty), options())

    def test_an_empty_band_is_named(self, tmp_path: Path) -> None:
        auxiliary = -coordinates()[:, :, AUXILIARY_COL:]
        auxiliary[1] = np.nan
        with pytest.raises(TrainingDataError, match=r"hsi\.tif: no pixel has .*1 band empty there: band 2;"):
            gather(make_scene(tmp_path / "band", auxiliary=auxiliary), options())

    def test_no_pair(self, tmp_path: Path) -> None:
        auxiliary = np.full((2, ROWS, COLS - AUXILIARY_COL), np.nan, np.float32)
        with pytest.raises(
            TrainingDataError, match=r"no pixel has values in every band of it and of msi\.tif"
        ):
            gather(make_scene(tmp_path / "apart", auxiliary=auxiliary), options())

    def test_more_than_memory_holds(self, scene: Scene) -> None:
        with pytest.raises(UsageError, match=r"GiB, more than memory = 1e-05; lower labels_per_class"):
            gather(scene, options(memory=1e-5))


class TestSplitOfOneLabelSet:
    def divided(self, folder: Path, **split: Any) -> Scene:
        train, test = stripes()
        return make_scene(
            folder,
            ids=(train + test,),
            labels={"all": {"file": "train.tif"}},
            split={"block": 15, "buffer": 4, "test": 0.4} | split,
        )

    @pytest.mark.parametrize("kind", ["blocks", "random"])
    def test_sides_are_the_same_in_any_window(self, tmp_path: Path, kind: str) -> None:
        scene = self.divided(tmp_path / "split", kind=kind, buffer=0)
        everything = sum(stripes())
        whole = {side: read_split(scene, side, Window(0, 0, ROWS, COLS)) for side in ("train", "test")}  # type: ignore[arg-type]
        assert ((whole["train"] > 0) ^ (whole["test"] > 0) == (everything > 0)).all()
        assert (whole["train"] + whole["test"] == everything).all()
        assert (whole["test"] > 0).sum() == pytest.approx(0.4 * (everything > 0).sum(), rel=0.2)
        for window in windows_over(ROWS, COLS, 13):
            assert (read_split(scene, "test", window) == whole["test"][window.slices]).all()
        assert (
            read_split(scene, "test", Window(-2, -2, 4, 4))[2:, 2:].tolist() == whole["test"][:2, :2].tolist()
        )

    def test_training_keeps_its_distance(self, tmp_path: Path) -> None:
        scene = self.divided(tmp_path / "split")
        data = gather(scene, options(margin=2))
        assert data.notes["overlap_share"] == 0.0
        assert data.notes["split"]["kind"] == "blocks"
        train, test = labelled_pixels(scene, "train"), labelled_pixels(scene, "test")
        assert distance(train.position, test.position) > 4

    def test_the_seed_of_the_split_counts(self, tmp_path: Path) -> None:
        first, second = (self.divided(tmp_path / f"split{seed}", seed=seed) for seed in (0, 1))
        sides = [labelled_pixels(scene, "test").position.tobytes() for scene in (first, second)]
        assert sides[0] != sides[1]

    def test_windows_that_hold_labels_are_streamed(self, scene: Scene) -> None:
        found = list(labelled_windows(scene, "test", 20))
        assert [window.row for window, _ in found] == [60] * 4 + [80] * 4
        assert sum(int((ids > 0).sum()) for _, ids in found) == 240
        assert all(ids.shape == (window.height, window.width) for window, ids in found)

    def test_overlapping_polygons_are_counted(self, tmp_path: Path) -> None:
        scene = make_scene(
            tmp_path / "polygons",
            labels={"train": {"file": "train.gpkg", "column": "name"}, "test": {"file": "test.tif"}},
        )
        x, y = 500_000, 5_800_000
        boxes = [shapely.box(x, y - 200, x + 600, y), shapely.box(x + 500, y - 300, x + 700, y - 100)]
        frame = geopandas.GeoDataFrame({"name": ["Class 1", "Class 2"]}, geometry=boxes, crs="EPSG:32633")
        frame.to_file(scene.folder / "train.gpkg", driver="GPKG")
        data = gather(scene, options())
        assert data.notes["label_conflicts"] == 100
        assert data.notes["per_class"]["labelled_target"]["class 1"] > 0


class TestRealScene:
    def test_muufl_pairs_lie_in_the_hyperspectral_window(self, real_data: Path, tmp_path: Path) -> None:
        for file in ("lidar", "hsi_window", "labels_train_150", "labels_test_150"):
            shutil.copy(real_data / "muufl" / f"{file}.tif", tmp_path)
        config = {
            "name": "muufl",
            "target": "lidar",
            "modalities": {
                "lidar": {"file": "lidar.tif", "kind": "lidar"},
                "hsi": {"file": "hsi_window.tif", "kind": "hsi"},
            },
            "classes": [{"id": one, "name": f"class {one}", "color": "#112233"} for one in range(1, 12)],
            "labels": {"train": {"file": "labels_train_150.tif"}, "test": {"file": "labels_test_150.tif"}},
        }
        write_config(parse_config(config), tmp_path)
        data = gather(open_scene(tmp_path), GatherOptions(margin=3, validation=0))
        assert len(data.labelled_pairs) + len(data.labelled_target) == 11 * 150
        inside = data.labelled_pairs.position - (129, 119)
        assert (inside >= 0).all() and (inside < 100).all()
        # A random split of dense labels: most test patches overlap a training patch.
        assert data.notes["overlap_share"] > 0.6
        assert data.auxiliary is not None and data.auxiliary.bands == 64 and data.target.bands == 4
        for modality in (data.target, data.auxiliary):
            statistics = modality.statistics
            assert np.isfinite([*statistics.mean, *statistics.std, *statistics.low, *statistics.high]).all()
