"""Values of pixels on disk: the same as in memory, whatever became of the files in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_xmodal.errors import OutputError
from geo_xmodal.outputs import UNFINISHED
from geo_xmodal.patches import HeldPatches, LocalFunction, Patches, joined_patches
from geo_xmodal.raster.window_reader import Band
from geo_xmodal.samples import Storage, read_patches, storage_for
from geo_xmodal.samples import storage as storage_module
from geo_xmodal.samples import tiles as tiles_module
from geo_xmodal.samples.tiles import SIDES, Tiling
from geo_xmodal.types import FloatArray, IntArray, Window

SHAPE = (60, 45)


@dataclass
class Made:
    """A raster in memory: read as any other, with what was read kept in mind."""

    values: FloatArray
    name: str = "made.tif"

    def __post_init__(self) -> None:
        self.read_pixels = 0

    @property
    def bands(self) -> tuple[Band, ...]:
        return tuple(Band(f"b{k}") for k in range(len(self.values)))

    def identity(self) -> dict[str, str]:
        return {"name": self.name, "sum": str(np.nansum(self.values))}

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        window = window.padded(margin)
        self.read_pixels += window.height * window.width
        out = np.full((len(self.values), window.height, window.width), np.nan, np.float32)
        inside = window.common(Window(0, 0, *self.values.shape[1:]))
        if inside is not None:
            rows, cols = inside.seen_from(window).slices
            out[:, rows, cols] = self.values[:, *inside.slices]
        return out


def made(bands: int = 3, shape: tuple[int, int] = SHAPE, seed: int = 0) -> Made:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(bands, *shape)).astype(np.float32)
    values[:, rng.random(shape) < 0.1] = np.nan
    values[0, rng.random(shape) < 0.1] = np.nan
    return Made(values)


def some(count: int, seed: int = 0) -> IntArray:
    flat = np.random.default_rng(seed).choice(SHAPE[0] * SHAPE[1], count, replace=False)
    return np.stack([flat // SHAPE[1], flat % SHAPE[1]], axis=1).astype(np.int64)


def whole(patches: Patches) -> FloatArray:
    return np.concatenate(list(patches.parts(7)))


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the side of tiles, which is else chosen by size."""

    def set_side(side: int) -> None:
        monkeypatch.setattr(
            storage_module.Tiling, "smallest", lambda groups, margin, bands: Tiling(side, margin, bands)
        )

    return set_side


@settings(max_examples=60, deadline=None)
@given(
    positions=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 44)), min_size=0, max_size=40),
    later=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 44)), min_size=1, max_size=40),
    margin=st.integers(0, 9),
    less=st.integers(0, 9),
    side=st.sampled_from(SIDES),
    bands=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_a_patch_from_the_store_is_the_patch_of_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    positions: list[tuple[int, int]],
    later: list[tuple[int, int]],
    margin: int,
    less: int,
    side: int,
    bands: int,
    seed: int,
) -> None:
    """Of any pixels, beyond edges, where data are missing, cropped, and added after the first."""
    reader = made(bands, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tiling, "smallest", lambda groups, margin, bands: Tiling(side, margin, bands))
        storage = Storage(tmp_path_factory.mktemp("run") / "out")
        for pixels in (positions, later, positions):
            index = np.array(pixels, np.int64).reshape(-1, 2)
            (stored,) = storage.patches(reader, margin, [index])
            expected = read_patches(reader, index, margin)
            assert stored.shape == expected.shape and stored.held is None
            np.testing.assert_array_equal(whole(stored), expected)
            order = np.random.default_rng(seed).integers(max(1, len(index)), size=len(index))
            smaller = min(margin, less)
            cut = slice(margin - smaller, margin + smaller + 1)
            np.testing.assert_array_equal(
                stored.chosen(order).cropped(smaller).take(np.arange(len(order))[::-1]),
                expected[order[::-1], :, cut, cut],
            )
        storage.remove()


def test_tiles_take_the_least_room() -> None:
    every = np.stack(np.meshgrid(np.arange(512), np.arange(512), indexing="ij"), -1).reshape(-1, 2)
    scattered = np.random.default_rng(0).integers(100_000, size=(200, 2))
    assert Tiling.smallest([every], 10, 244).side == 128
    assert Tiling.smallest([scattered], 10, 244).side == 1
    assert Tiling.smallest([every], 0, 4).side == 128
    dense = Tiling.smallest([every], 10, 244)
    assert dense.room(len(dense.tiles([every]))) < 1.5 * 512 * 512 * 244 * 4


class TestAnEarlierStore:
    """What an earlier process left is used as far as it is whole."""

    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        return tmp_path / "run"

    def begun(self, out: Path, pixels: IntArray, reader: Made | None = None) -> Path:
        storage = Storage(out)
        storage.patches(reader or made(), 2, [pixels])
        return next(storage.place.iterdir())

    def again(self, out: Path, pixels: IntArray) -> tuple[Made, list[str]]:
        """What is read again for the same pixels, after which the values are right."""
        reader, storage = made(), Storage(out)
        (patches,) = storage.patches(reader, 2, [pixels])
        np.testing.assert_array_equal(whole(patches), read_patches(made(), pixels, 2))
        return reader, storage.notes

    def test_it_is_not_read_again(self, out: Path) -> None:
        self.begun(out, some(50))
        reader, notes = self.again(out, some(50))
        assert reader.read_pixels == 0 and notes == []

    def test_tiles_are_shared_with_other_pixels(self, out: Path, laid_out: Callable[[int], None]) -> None:
        laid_out(32)
        self.begun(out, some(50))
        assert self.again(out, some(50, seed=1))[0].read_pixels == 0

    @pytest.mark.parametrize("part", [0.0, 0.3, 0.999])
    def test_a_kill_while_it_is_made_costs_what_was_not_written(self, out: Path, part: float) -> None:
        """Values are written before they are recorded: more values than records is no damage."""
        folder = self.begun(out, some(50))
        index = folder / "index"
        os.truncate(index, int(part * index.stat().st_size))
        reader, notes = self.again(out, some(50))
        assert reader.read_pixels > 0 and notes == []

    @pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
    def test_a_truncated_one_is_read_again_and_said(self, out: Path, part: float) -> None:
        folder = self.begun(out, some(50))
        values = folder / "values"
        os.truncate(values, int(part * values.stat().st_size))
        reader, notes = self.again(out, some(50))
        assert reader.read_pixels > 0
        assert len(notes) == 1 and "was damaged" in notes[0] and str(folder) in notes[0]
        assert self.again(out, some(50))[1] == []

    def test_a_damaged_tile_is_read_again_and_said(self, out: Path, laid_out: Callable[[int], None]) -> None:
        laid_out(8)
        folder = self.begun(out, some(50))
        with (folder / "values").open("r+b") as file:
            file.seek(1000)
            file.write(b"damaged!")
        reader, notes = self.again(out, some(50))
        assert reader.read_pixels == (8 + 4) ** 2
        assert len(notes) == 1 and "1 tile" in notes[0]
        assert self.again(out, some(50))[1] == []

    def test_a_damaged_tile_that_nobody_needs_is_never_taken(
        self, out: Path, laid_out: Callable[[int], None]
    ) -> None:
        laid_out(8)
        first, second = np.array([[0, 0]]), np.array([[30, 30]])
        folder = self.begun(out, first)
        with (folder / "values").open("r+b") as file:
            file.write(b"damaged!")
        self.again(out, second)
        self.again(out, first)

    @pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"schema": 1, "side": 7}'])
    def test_one_that_says_nothing_is_made_anew(self, out: Path, content: bytes | None) -> None:
        folder = self.begun(out, some(50))
        (folder / "store.json").unlink()
        if content is not None:
            (folder / "store.json").write_bytes(content)
        reader, notes = self.again(out, some(50))
        assert reader.read_pixels > 0 and len(notes) == 1 and "was damaged" in notes[0]

    def test_other_values_are_another_store(self, out: Path) -> None:
        older = self.begun(out, some(50), made(seed=5))
        reader, notes = self.again(out, some(50))
        assert reader.read_pixels > 0 and notes == []
        storage = Storage(out)
        storage.patches(made(), 2, [some(50)])
        storage.prune()
        assert not older.exists() and len(list(storage.place.iterdir())) == 1


class TestTheEnd:
    """The folder is there while the run is unfinished."""

    def run(self, out: Path, error: BaseException | None, mark: bool = False) -> Path:
        out.mkdir()
        with storage_for(out) as storage:
            storage.patches(made(), 2, [some(5)])
            assert storage.place.is_dir() and storage.place.parent == out.parent
            if mark:
                (out / UNFINISHED).touch()
            if error is not None:
                raise error
        return storage.place

    def test_a_finished_run_leaves_none(self, tmp_path: Path) -> None:
        assert not self.run(tmp_path / "run", None).exists()

    def test_a_run_that_cannot_go_on_leaves_none(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError):
            self.run(tmp_path / "run", ValueError())
        assert [path.name for path in tmp_path.iterdir()] == ["run"]

    @pytest.mark.parametrize(("error", "mark"), [(KeyboardInterrupt(), False), (ValueError(), True)])
    def test_one_that_goes_on_keeps_it(self, tmp_path: Path, error: BaseException, mark: bool) -> None:
        with pytest.raises(type(error)):
            self.run(tmp_path / "run", error, mark)
        assert (tmp_path / ".run.samples").is_dir()


def test_a_disk_without_room_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = storage_module.shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(storage_module.shutil, "disk_usage", lambda path: usage)
    reader = made()
    with pytest.raises(
        OutputError, match=r"values of 50 pixels need .* MiB on the disk of .*, 1 MiB are free: "
    ):
        Storage(tmp_path / "run").patches(reader, 2, [some(50)])
    assert reader.read_pixels == 0


def maxima(side: int) -> LocalFunction:
    """Of the first band, over so many pixels a side."""

    def function(images: FloatArray) -> FloatArray:
        views = np.lib.stride_tricks.sliding_window_view(images[..., :1], (side, side), axis=(1, 2))
        return cast(FloatArray, views.max((-2, -1)))

    return LocalFunction(f"maxima of {side}", 1, side // 2, function)


def sources(place: Path, margin: int = 2) -> tuple[Patches, ...]:
    """Patches around 20 pixels on disk, in memory, and some of both."""
    pixels = some(20)
    (stored,) = Storage(place).patches(made(), margin, [pixels])
    held = HeldPatches(read_patches(made(), pixels, margin))
    return stored, held, joined_patches([stored.chosen(np.arange(5)), held.chosen(np.arange(5, 20))])


def test_what_is_derived_is_the_function_of_every_pixel(tmp_path: Path) -> None:
    function = LocalFunction("twice", 2, 0, lambda images: 2 * images[..., :2])
    stored, held, joined = sources(tmp_path / "run")
    expected = whole(held)
    for patches in (stored, held, joined):
        np.testing.assert_array_equal(whole(patches.derived(function)), 2 * expected[:, :2])
    other = LocalFunction("thrice", 1, 0, lambda images: 3 * images[..., :1])
    np.testing.assert_array_equal(whole(stored.derived(other).cropped(1)), 3 * expected[:, :1, 1:4, 1:4])


@pytest.mark.parametrize("side", SIDES)
def test_what_is_derived_of_neighbours_is_that_of_patches(
    tmp_path: Path, laid_out: Callable[[int], None], side: int
) -> None:
    """Beyond edges and where data are missing too; of cropped patches, whose tiles reach further."""
    laid_out(side)
    for patches in sources(tmp_path / "run", 4):
        for margin in (2, 1):
            cropped = patches.cropped(margin)
            images = whole(cropped).transpose(0, 2, 3, 1)
            derived = cropped.derived(maxima(3))
            assert derived.shape == (20, 1, 2 * margin - 1, 2 * margin - 1)
            np.testing.assert_array_equal(whole(derived), maxima(3)(images).transpose(0, 3, 1, 2))
    with pytest.raises(ValueError, match="patches of 9 pixels a side have no margin of 5"):
        patches.derived(maxima(11))


def test_derived_numbers_in_use_stay_and_others_make_room(tmp_path: Path) -> None:
    """One function at a time leaves a file; two at a time are computed once each."""
    calls: list[str] = []

    def counted(word: str) -> LocalFunction:
        return LocalFunction(word, 1, 0, lambda images: [calls.append(word), images[..., :1]][1])

    stored, held, _ = sources(tmp_path / "run")
    one = stored.derived(counted("one"))
    for _ in range(2):
        other = stored.derived(counted("other"))
        np.testing.assert_array_equal(whole(stored.derived(counted("one"))), whole(held)[:, :1])
    assert calls == ["one", "other"]
    kept = one.chosen(np.arange(3))
    del one, other
    stored.derived(counted("third"))
    left = (tmp_path / ".run.samples").glob("*/derived-*")
    assert sorted(path.name.split("-")[1] for path in left) == ["one", "third"]
    np.testing.assert_array_equal(whole(kept), whole(held)[:3, :1])


def test_numbers_derived_by_a_process_that_is_gone_are_derived_anew(tmp_path: Path) -> None:
    sources(tmp_path / "run")[0].derived(maxima(3))
    (path,) = (tmp_path / ".run.samples").glob("*/derived-*")
    path.write_bytes(path.read_bytes()[:-9])
    stored, held, _ = sources(tmp_path / "run")
    np.testing.assert_array_equal(whole(stored.derived(maxima(3))), whole(held.derived(maxima(3))))


def test_joined_patches_come_in_the_order_asked_for(tmp_path: Path) -> None:
    pixels = some(30)
    held = HeldPatches(read_patches(made(), pixels, 2))
    (stored,) = Storage(tmp_path / "run").patches(made(), 2, [pixels[:12]])
    joined = joined_patches([stored, held.chosen(np.arange(12, 30))])
    order = np.random.default_rng(0).integers(30, size=100)
    np.testing.assert_array_equal(joined.take(order), held.take(order))
    np.testing.assert_array_equal(
        joined.chosen(order).cropped(1).take(order[:9]), held.cropped(1).take(order[order[:9]])
    )


def test_whoever_waits_is_told_how_much_is_stored_and_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, laid_out: Callable[[int], None]
) -> None:
    laid_out(8)
    monkeypatch.setattr(tiles_module, "_AT_ONCE", 1)
    told: list[tuple[int, int, str]] = []
    storage = Storage(tmp_path / "run")
    storage.patches(made(), 2, [some(50)], lambda *one: told.append(one))
    assert [done for done, _, _ in told] == list(range(1, told[-1][1] + 1))
    assert told[0][2] == "storing values of made.tif"
    assert told[-1][2].startswith("storing values of made.tif, ") and told[-1][2].endswith(" left")
