"""Where a run puts values that do not fit into memory, and for how long."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from geo_xmodal.errors import OutputError
from geo_xmodal.memory import in_words
from geo_xmodal.named_options import option
from geo_xmodal.outputs import STORE, UNFINISHED, beside, output_errors, without_link
from geo_xmodal.pace import Pace, duration
from geo_xmodal.raster import WindowReader
from geo_xmodal.samples.tiles import StoredPatches, TileFile, Tiling
from geo_xmodal.small_files import real_path
from geo_xmodal.types import FloatArray, IntArray, Progress
from geo_xmodal.wording import counted

_SPARE = 64 << 20
"""Bytes of a disk that a store leaves free, for the model and what else is written beside it."""


class Storage:
    """A hidden folder beside what a run writes, made when it is needed.

    The values of a modality are read from its files once, and serve all seeds, controls and methods of the
    run. The folder is there while the run is unfinished, so that it can go on, and goes with its end.

    Attributes:
        out: What the run writes.
        place: The folder.
        begun: How an earlier part of the run had its values, in the store or not; None without one.
        notes: What was said of it, a line each.
    """

    def __init__(
        self, out: Path, begun: bool | None = None, note: Callable[[str], None] = lambda line: None
    ) -> None:
        self.out = out
        self.place = beside(real_path(out), STORE)
        self.begun = begun
        self.notes: list[str] = []
        self._note = note
        self._files: dict[str, TileFile] = {}

    def say(self, line: str) -> None:
        """Tell a line that should be known, once."""
        if line not in self.notes:
            self.notes.append(line)
            self._note(line)

    def patches(
        self,
        reader: WindowReader,
        margin: int,
        groups: Sequence[IntArray],
        progress: Progress | None = None,
    ) -> list[StoredPatches]:
        """The patches of a modality around the pixels of groups; what is not there yet is read from it.

        Args:
            reader: Of the modality.
            margin: Radius of the patches in pixels.
            groups: Pixels (n, 2) of each; the first that a modality is asked for lay its tiles out.
            progress: Told how much was checked, and stored.

        Raises:
            OutputError: There is no room on the disk, or the folder cannot be written.
            RasterError: As `reader`.
        """
        file = self._file(reader, margin, groups, _timed(progress))
        missing = file.missing(groups)
        pixels = sum(map(len, groups))
        with self.writing(file.tiling.room(len(missing)), f"values of {pixels:,} pixels"):
            file.add(reader, missing, _timed(progress))
        return [file.patches(positions) for positions in groups]

    def _file(
        self, reader: WindowReader, margin: int, groups: Sequence[IntArray], progress: Progress | None
    ) -> TileFile:
        word, bands = _word(reader.identity(), margin), len(reader.bands)
        if word not in self._files:
            folder = self.place / word
            with output_errors(self.out):
                without_link(self.place)
                found = TileFile.found(folder, margin, bands, word, progress)
                if found is None and folder.exists():
                    shutil.rmtree(folder)
                    self.say(f"{folder} was damaged: its values are read again")
                if found is None:
                    found = TileFile.begun(folder, Tiling.smallest(groups, margin, bands), word)
                if found.damaged:
                    self.say(f"{folder} was damaged: {counted(found.damaged, 'tile')} of it are read again")
            found.writing = self.writing
            self._files[word] = found
        return self._files[word]

    @contextmanager
    def writing(self, needed: int, what: str) -> Iterator[None]:
        """A block that writes so many bytes of `what`.

        Raises:
            OutputError: There is no room, not even without what earlier runs left; or it cannot be written.
        """
        free = self._free()
        if needed + _SPARE > free:
            self.prune()
            free = self._free()
        if needed + _SPARE > free:
            raise OutputError(
                f"{what} need {in_words(needed + _SPARE)} on the disk of {self.out}, {in_words(free)} are "
                f"free: free some space, choose {option('out')} on another disk, or lower unlabelled, "
                "unlabelled_target, labels_per_class or the size of patches"
            )
        with output_errors(self.out):
            yield

    def _free(self) -> int:
        with output_errors(self.out):
            self.place.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self.place).free

    @contextmanager
    def columns(self, pixels: int, bands: int) -> Iterator[FloatArray]:
        """(band, pixel) float32 on disk, to be filled pixel by pixel and read band by band.

        Raises:
            OutputError: There is no room, or the folder cannot be written.
        """
        path = self.place / "columns"
        with self.writing(4 * pixels * bands, f"the middles of {pixels:,} patches"):
            values = np.memmap(path, np.float32, "w+", shape=(bands, pixels))
            try:
                yield np.asarray(values)
            finally:
                path.unlink()

    def prune(self) -> None:
        """Take away what earlier runs left of other values."""
        if not self.place.is_dir():
            return
        for path in self.place.iterdir():
            if path.name not in self._files:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def remove(self) -> None:
        """Take the folder away: the run has all that it needs."""
        self._files.clear()
        if without_link(self.place).exists():
            shutil.rmtree(self.place, ignore_errors=True)


@contextmanager
def storage_for(
    out: Path, begun: bool | None = None, note: Callable[[str], None] = lambda line: None
) -> Iterator[Storage]:
    """Where the run that writes `out`, which is held, puts its values.

    The folder is gone after the block, unless somebody stopped it, or `out` is unfinished: the same command
    then goes on with it.

    Args:
        out: A run folder, or a comparison.
        begun: As `Storage`.
        note: Told what should be known of the folder.
    """
    storage = Storage(out, begun, note)
    try:
        yield storage
    except Exception:
        if not (out / UNFINISHED).exists():
            storage.remove()
        raise
    storage.remove()


def _word(identity: Mapping[str, str], margin: int) -> str:
    described = json.dumps([dict(identity), margin], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _timed(progress: Progress | None) -> Progress | None:
    """Progress that says how much time is left, for those who count no steps of this."""
    if progress is None:
        return None
    tell, pace = progress, Pace()

    def told(done: int, total: int, message: str) -> None:
        nonlocal pace
        now = time.monotonic()
        pace = pace.after(done, total, message, now)
        left = pace.seconds_left(now)
        tell(done, total, message if left is None else f"{message}, {duration(left)} left")

    return told
