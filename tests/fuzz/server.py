"""A process that reads hostile files, started anew whenever one of them ends it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn

from geo_xmodal.errors import GeoXmodalError
from tests.fuzz.readers import READERS, Reader
from tests.memory import limit_memory

Verdict = Literal["fine", "refused", "fault", "crash", "hang", "memory"]
VERDICTS: tuple[Verdict, ...] = ("fine", "refused", "fault", "crash", "hang", "memory")

HANG_SECONDS = 20
"""Of processor time, so that a busy machine hangs nothing."""

MEMORY_MIB = 1024
_BATCH = 200
_LONGEST_MESSAGE = 4000


@dataclass
class Count:
    """What became of the mutations of one reader.

    Attributes:
        verdicts: How often each.
        examples: Number of the mutation and what was said, for each that was neither fine nor refused.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    examples: list[tuple[int, Verdict, str]] = field(default_factory=list)


def mutation(reader: Reader, name: str, seed: int, number: int, folder: Path) -> None:
    """Change the file of a sound folder: the same for the same seed and number, whatever ran before."""
    rng = random.Random(f"{seed} {name} {number}")
    path = folder / reader.file
    path.write_bytes(rng.choice(reader.mutations)(rng, path.read_bytes()))
    reader.again(folder)


def run(name: str, count: int, seed: int, first: int = 0) -> Count:
    """Read `count` mutations; a crash, a hang or too much memory costs one of them, and no more."""
    total = Count()
    with tempfile.TemporaryDirectory(prefix="fuzz.") as room:
        sound = Path(room) / "sound"
        sound.mkdir()
        _in_child(lambda: READERS[name].seed(sound))  # this process opens nothing that a fork could not share
        number = first
        while number < first + count:
            for verdict, said in _batch(name, seed, number, min(first + count, number + _BATCH), sound):
                total.verdicts[verdict] += 1
                if verdict not in ("fine", "refused"):
                    total.examples.append((number, verdict, said))
                number += 1
    return total


def _in_child(work: object) -> None:
    child = os.fork()
    if not child:
        status = 1
        try:
            work()  # type: ignore[operator]
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("no sound files could be made")


def _batch(name: str, seed: int, first: int, end: int, sound: Path) -> Iterator[tuple[Verdict, str]]:
    """Verdicts from `first` on, until all are done or one ended the process."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _serve(name, seed, first, end, sound, writing)
    os.close(writing)
    done = first
    with open(reading, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123  # a pipe has no path
        for line in lines:
            verdict, _, said = line.rstrip("\n").partition(" ")
            yield verdict, said  # type: ignore[misc]
            done += 1
    status = os.waitpid(child, 0)[1]
    if done < end:
        killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        yield ("hang" if killed == signal.SIGVTALRM else "crash"), f"signal {killed}, status {status}"


def _serve(name: str, seed: int, first: int, end: int, sound: Path, pipe: int) -> NoReturn:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.dup2(nowhere, 1)
    warnings.simplefilter("ignore")
    limit_memory(MEMORY_MIB)
    for number in range(first, end):
        with tempfile.TemporaryDirectory(dir=sound.parent) as room:
            folder = Path(room) / "input"
            shutil.copytree(sound, folder)
            mutation(READERS[name], name, seed, number, folder)
            signal.setitimer(signal.ITIMER_VIRTUAL, HANG_SECONDS)
            verdict, said = judged(READERS[name], folder)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        os.write(pipe, f"{verdict} {' '.join(said.split())[:500]}\n".encode("utf-8", "replace"))
    os._exit(0)


def judged(reader: Reader, folder: Path) -> tuple[Verdict, str]:
    """Read the file in `folder`: a user is told in a line what is wrong, and of which file."""
    try:
        reader.read(folder)
    except GeoXmodalError as error:
        message = str(error)
        named = reader.file in message or str(folder) in message or Path(reader.file).stem in message
        if "\n" in message or not named or len(message) > _LONGEST_MESSAGE:
            return "fault", f"a message that is long, of several lines or names no file: {message[:300]!r}"
        return "refused", message
    except MemoryError:
        return "memory", _where(sys.exc_info()[1])
    except Exception as error:
        return "fault", f"{type(error).__name__}: {str(error)[:200]} {_where(error)}"
    return "fine", ""


def _where(error: BaseException | None) -> str:
    places = traceback.extract_tb(error.__traceback__ if error else None)
    ours = [place for place in places if "geo_xmodal" in place.filename] or list(places)
    return f"at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
