"""Kill a command before every change of the file system, and see what is there.

`python -m tests.killing FOLDER CASE ...` runs each case of `tests.killed_commands` once as a whole and then,
for every change that Python makes to the file system, again in a forked child that ends before that change.
Files that are opened to be written are two changes: before they are opened, and when they are opened but
empty. After each kill the outputs must be those of before, or the new ones, or say that they are unfinished;
and the command run again (with --resume, where it has that, and something is unfinished) must leave what an
uninterrupted one leaves, no more.

What libraries write in C (GDAL, HDF5) counts as a part of the change before.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geo_xmodal.outputs import OLD, beside, unfinished

REPOSITORY = Path(__file__).parents[1]
EVERY = "GEO_XMODAL_KILL_EVERY"
"""Set this variable to 1 to kill at all changes; else a few, spread over kinds (what, of which file)."""

_FEW = 5

KILLED = 137
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_NAMELESS = getattr(os, "O_TMPFILE", 0)
_CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}

Tree = Mapping[str, bytes | None]
"""Files by relative path with their content; empty folders with None."""


@dataclass(frozen=True)
class Case:
    """A command that is killed.

    Attributes:
        prepare: Makes `inputs/` and, in `work/`, what is there before; gets the folder of both.
        command: Runs the command in the current folder, which holds both; gets whether it is run again after
            a kill. Returns its exit status.
        out: What it writes, as a user names it.
        again: Exit statuses of the command that is run again.
        anew: Whether the command runs anew where it need not resume: if so, this is tried in turn.
        ours: Whether a path belongs to the comparison with what was there before.
    """

    prepare: Callable[[Path], None]
    command: Callable[[bool], int]
    out: str
    again: frozenset[int] = frozenset({0})
    anew: bool = False
    ours: Callable[[str], bool] = field(default=lambda path: True)


def kill_everywhere(folder: Path, *names: str) -> dict[str, dict[str, Any]]:
    """Run cases in a Python of their own: how many kills there were, and what was wrong after which."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.killing", str(folder), *names],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "SOURCE_DATE_EPOCH": "1700000000",
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "app")]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-4000:]
    told: dict[str, dict[str, Any]] = json.loads(child.stdout.splitlines()[-1])
    return told


def main(folder: Path, names: Sequence[str]) -> None:
    """Do cases, and print what came of them as JSON."""
    cases: Mapping[str, Case] = importlib.import_module("tests.killed_commands").CASES
    print(
        json.dumps({name: _done(cases[name], folder / name.replace(" ", "-")) for name in names}), flush=True
    )


def _done(case: Case, folder: Path) -> dict[str, Any]:
    start, place = folder / "start", folder / "place"

    def prepared() -> int:  # in a child: threads that it starts would be locks that nobody opens after a fork
        case.prepare(start)
        return 0

    (start / "work").mkdir(parents=True)
    assert _in_child(prepared, start) == 0, _said(folder)
    before = tree(start / "work")
    changes = _record(case, start, place)
    after = tree(place / "work")
    points = list(_points(changes))
    every = os.environ.get(EVERY) == "1"
    chosen = points if every else _spread({(what, torn): (n, torn, what) for n, torn, what in points})
    wrong = []
    for turn, (number, torn, what) in enumerate(chosen):
        ways = (True, False) if every and case.anew else (not (case.anew and turn % 2),)
        for resumed in ways:
            told = f"{number}{' torn' if torn else ''}: {what}{'' if resumed else ', anew'}"
            found = _kill(case, start, place, before, after, number, torn, resumed)
            wrong += [f"{told}: {one}" for one in found]
    return {"changes": len(points), "kills": len(chosen), "wrong": wrong}


def _spread(kinds: Mapping[Any, tuple[int, bool, str]]) -> list[tuple[int, bool, str]]:
    """A few, the first and the last among them."""
    points = sorted(kinds.values())
    step = max(1.0, (len(points) - 1) / (_FEW - 1))
    return [points[round(step * k)] for k in range(min(_FEW, len(points)))]


def tree(folder: Path, hidden: bool = True) -> Tree:
    """All that is in a folder, without what differs from run to run."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not hidden and any(part.startswith(".") for part in name.split("/")):
            continue
        if path.is_file():
            found[name] = _lasting(path)
        elif hidden and not any(path.iterdir()):
            found[name] = None
    return found


def _lasting(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name == "log.jsonl":
        rows = [json.loads(line) for line in content.splitlines()]
        return json.dumps([{**row, "seconds": 0, "time": ""} for row in rows]).encode()
    return content


def _kill(
    case: Case, start: Path, place: Path, before: Tree, after: Tree, number: int, torn: bool, resumed: bool
) -> Iterable[str]:
    _renew(start, place)

    def killed() -> int:
        _die_before(number, place / "work", torn)
        return case.command(False)

    status = _in_child(killed, place)
    if status != KILLED:
        yield f"was not killed, ended with {status}"
        return
    seen = {name: content for name, content in tree(place / "work", hidden=False).items() if case.ours(name)}
    whole = [
        {name: content for name, content in one.items() if content is not None and case.ours(name)}
        for one in (before, after)
    ]
    if seen not in whole and unfinished(place / "work" / case.out) is None:
        yield f"a mixture: {_difference(seen, whole[0])} before, {_difference(seen, whole[1])} after"
    out = place / "work" / case.out
    replaced = not out.exists() and beside(out, OLD).exists()  # the older one comes back: nothing to resume
    resumed &= unfinished(out) is not None and not replaced
    status = _in_child(lambda: case.command(resumed), place)
    if status not in case.again:
        yield f"run again, ends with {status}: {_said(place.parent)}"
    left = tree(place / "work")
    if left != after:
        yield f"run again, leaves something else: {_difference(left, after)}"


def _difference(one: Tree, other: Tree) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name, 0) != other.get(name, 0))


def _renew(start: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(start, place)


def _in_child(task: Callable[[], int], place: Path) -> int:
    """The exit status of a task in a forked process, in a folder; what it prints is kept beside."""
    child = os.fork()
    if not child:
        status = 99
        try:
            os.chdir(place)
            said = os.open(place.parent / "said.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            os.dup2(said, 1)
            os.dup2(said, 2)
            status = task()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _said(folder: Path) -> str:
    return (folder / "said.txt").read_text()[-1000:]


def _record(case: Case, start: Path, place: Path) -> list[str]:
    """The changes of a whole command, in their order: what, and the name of the file."""
    _renew(start, place)
    notes, modules = place.parent / "changes.txt", place.parent / "modules.txt"

    def recorded() -> int:
        with notes.open("w") as file:
            _watch(place / "work", lambda event, path, flags: print(event, path.name, file=file, flush=True))
            status = case.command(False)
        modules.write_text("\n".join(sys.modules))
        return status

    status = _in_child(recorded, place)
    assert status == 0, f"the whole command ends with {status}: {_said(place.parent)}"
    for name in modules.read_text().splitlines():  # once here, not again in every child
        if name in sys.modules or name.startswith("tests."):
            continue
        with suppress(ImportError):
            importlib.import_module(name)
    return notes.read_text().splitlines()


def _points(changes: Iterable[str]) -> Iterable[tuple[int, bool, str]]:
    for number, what in enumerate(changes, start=1):
        yield number, False, what
        if what.startswith("open "):
            yield number, True, what


def _die_before(number: int, root: Path, torn: bool) -> None:
    seen = 0

    def count(event: str, path: Path, flags: int) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            if torn:
                os.close(os.open(path, flags, 0o666))
            os._exit(KILLED)

    _watch(root, count)


def _watch(root: Path, told: Callable[[str, Path, int], None]) -> None:
    """Tell of every change below a folder before it is made; for good, so call it in a child."""
    prefix = f"{root}{os.sep}"

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CHANGES:
            return
        path, flags = arguments[0], 0
        if event == "open":
            flags = arguments[2]
            if (
                isinstance(path, int)
                or not flags & _WRITES
                or (_NAMELESS and (flags & _NAMELESS) == _NAMELESS)
                or Path(os.fsdecode(path)).is_dir()  # of a file without a name, in there
            ):
                return
        elif event in ("os.remove", "os.rmdir", "os.mkdir") and arguments[-1] != -1:
            path = Path(f"/proc/self/fd/{arguments[-1]}").readlink() / os.fsdecode(path)
        absolute = Path.cwd() / os.fsdecode(path)
        if str(absolute).startswith(prefix):
            told(event, absolute, flags)

    sys.addaudithook(hook)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
