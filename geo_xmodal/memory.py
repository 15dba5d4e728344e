"""How much memory this process may still take, asked before work begins that needs to know.

Three things limit it: the address space that a process may have (`ulimit -v`, many batch systems), the
memory of its container or batch job (cgroups, version 1 and 2, with all that it lies in), and what the
machine has left. What is over the first fails in any line of any library, often without a word; what is over
the others is ended by the system, or makes it stand still.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType

from geo_xmodal.errors import MemoryShortageError

PROC = Path("/proc")

RAISE = "raise that limit, or close other programs"
"""What to do where nothing can be asked for that takes less."""

_UNLIMITED = 1 << 60
"""cgroups of version 1 say a number near 2**63 where there is no limit."""


@dataclass(frozen=True)
class Room:
    """Memory within one limit.

    Attributes:
        free: Bytes that this process may still take.
        limit: Bytes in all.
        whose: What limits it, in words.
        address_space: Whether addresses are counted, with the files mapped there, and not memory.
    """

    free: int
    limit: int
    whose: str
    address_space: bool = False

    def __str__(self) -> str:
        """The end of a sentence that begins with what is needed."""
        return f"{in_words(self.free)} of {in_words(self.limit)} are free ({self.whose})"


@dataclass(frozen=True)
class _Cgroups:
    """How one version of cgroups calls its files, and the lines of memory.stat."""

    limits: tuple[str, ...]
    usage: str
    cached: tuple[str, ...]
    mapped: str


_V1 = _Cgroups(
    ("memory.limit_in_bytes",),
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
    "total_mapped_file",
)
_V2 = _Cgroups(
    ("memory.max", "memory.high"),  # above `high` the system slows a process down until it stands still
    "memory.current",
    ("inactive_file", "active_file"),
    "file_mapped",
)


def rooms(proc: Path = PROC) -> tuple[Room, ...]:
    """Every limit that this process is under, the address space first.

    Memory that the system would drop at need, as its copies of files, counts as free; so does swap of the
    machine. What cannot be found out is no limit.

    Args:
        proc: The file system of processes; another one for tests.
    """
    found = [_address_space(proc), *_cgroups(proc), _machine(proc)]
    return tuple(room for room in found if room is not None)


def least(proc: Path = PROC) -> Room:
    """The limit with the least memory left."""
    return min(rooms(proc), key=lambda room: room.free)


def check_memory(
    what: str, needed: int, instead: str, *, mapped: int = 0, elsewhere: int = 0, proc: Path = PROC
) -> None:
    """See that there is memory for what is to come.

    Args:
        what: What needs it, the beginning of the sentence that says so.
        needed: Bytes of memory, beyond those that the process has now.
        instead: What to do where there is less.
        mapped: Bytes of address space beside, filled by files.
        elsewhere: Bytes of memory that other processes take for it.
        proc: As for `rooms`.

    Raises:
        MemoryShortageError: There is less.
    """
    for room in rooms(proc):
        wanted = needed + (mapped if room.address_space else elsewhere)
        if wanted > room.free:
            kind = "address space" if room.address_space else "memory"
            raise MemoryShortageError(f"{what} needs {in_words(wanted)} of {kind}, {room}: {instead}")


def in_words(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 2**30:,.1f} GiB" if count >= 1 << 30 else f"{max(count, 0) / 2**20:,.0f} MiB"


def _address_space(proc: Path) -> Room | None:
    if sys.platform in ("win32", "darwin"):  # which has no such limit, or does not keep to it
        return None
    import resource  # not on Windows

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _first_number(proc / "self" / "statm")
    if limit == resource.RLIM_INFINITY or pages is None:
        return None
    used = pages * resource.getpagesize()
    return Room(limit - used, limit, "the limit on the address space of a process, ulimit -v", True)


def _machine(proc: Path) -> Room:
    lines = dict(re.findall(r"^(\w+):\s+(\d+) kB$", _text(proc / "meminfo"), re.MULTILINE))
    if "MemAvailable" not in lines:
        import psutil  # only for systems without /proc

        found = psutil.virtual_memory()
        return Room(found.available, found.total, "the memory of this machine")
    total, free, swap = (int(lines.get(name, 0)) << 10 for name in ("MemTotal", "MemAvailable", "SwapFree"))
    return Room(free + swap, total, "the memory of this machine")


def _cgroups(proc: Path) -> Iterator[Room]:
    """The groups of this process, each with all groups that it lies in."""
    groups = re.findall(r"^\d+:([^:]*):(.*)$", _text(proc / "self" / "cgroup"), re.MULTILINE)
    for version, root, mount in _mounts(_text(proc / "self" / "mountinfo")):
        for controllers, group in groups:
            if "memory" in controllers.split(",") if version is _V1 else not controllers:
                yield from _within(version, mount, _below(root, group))


def _mounts(mountinfo: str) -> Iterator[tuple[_Cgroups, str, Path]]:
    """Where cgroups are to be seen: their version, the group that is seen there, and the folder."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, *rest) = before.split(), after.split() or [""]
        version = _V2 if kind == "cgroup2" else _V1
        if len(fields) > 4 and (kind == "cgroup2" or (kind == "cgroup" and "memory" in rest[-1].split(","))):
            root, mount = (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), f) for f in fields[3:5])
            yield version, root, Path(mount)


def _below(root: str, group: str) -> PurePosixPath:
    """A group's place below the one that is mounted; the mounted one itself, where that is not seen."""
    inner = PurePosixPath(group)
    if ".." in inner.parts or not inner.is_relative_to(root):
        return PurePosixPath()
    return inner.relative_to(root)


def _within(version: _Cgroups, mount: Path, inner: PurePosixPath) -> Iterator[Room]:
    for place in (inner, *inner.parents):
        folder = mount / place
        used = _first_number(folder / version.usage)
        limits = [_first_number(folder / name) for name in version.limits]
        limit = min((one for one in limits if one is not None), default=_UNLIMITED)
        if used is not None and limit < _UNLIMITED:
            free = limit - used + _dropped_at_need(version, _text(folder / "memory.stat"))
            yield Room(free, limit, f"the limit of the container or batch job, {folder}")


def _dropped_at_need(version: _Cgroups, stat: str) -> int:
    """Bytes of files that are kept in memory and in no use."""
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) (\d+)$", stat, re.MULTILINE)}
    return max(0, sum(counts.get(name, 0) for name in version.cached) - counts.get(version.mapped, 0))


def _first_number(path: Path) -> int | None:
    word = _text(path).split()[:1]
    return int(word[0]) if word and word[0].isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not there, or not for us
        return ""


_TORCH_MEMORY = 280 << 20
"""Memory of a process that has imported PyTorch, beyond the files that it maps."""

_CUDA_LIBRARIES = 1900 << 20
"""Libraries of CUDA 13 that a build of PyTorch for it maps, beside its own."""

_AFTER_TORCH, _AFTER_TORCH_EACH_THREAD = 400 << 20, 170 << 20
"""Address space of what a command of this program imports and does after PyTorch, on one thread, and for each
more: a stack, an arena of the C library and buffers of linear algebra. Measured with `train`."""


class _Gate(importlib.abc.MetaPathFinder):
    """Is asked before anything is imported, and asks for memory before PyTorch is; finds nothing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Nothing, for the next finder to look.

        Raises:
            MemoryShortageError: PyTorch would not fit.
        """
        if fullname == "torch":
            check_memory("PyTorch", _TORCH_MEMORY, RAISE, mapped=_mapped_by_torch())
        return None


def guard_imports() -> None:
    """Ask for memory before PyTorch is imported.

    Where its libraries do not fit, or nothing does beside them, an import ends in any way: in an error of
    any kind, by a signal, or never.
    """
    sys.meta_path.insert(0, _Gate())


def _mapped_by_torch() -> int:
    spec = importlib.machinery.PathFinder.find_spec("torch")
    places = () if spec is None else spec.submodule_search_locations or ()
    own = [path for place in places for path in Path(place).glob("lib/*.so*")]
    cuda = any(path.name.startswith("libtorch_cuda.") for path in own)
    libraries = sum(path.stat().st_size for path in own) + (_CUDA_LIBRARIES if cuda else 0)
    return libraries + _AFTER_TORCH + _AFTER_TORCH_EACH_THREAD * (threads_asked() - 1)


def threads_asked() -> int:
    """Threads that work is done on: OMP_NUM_THREADS, or as many as there are processors."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(usable_processors(), int(asked)) if asked.isdigit() and int(asked) else usable_processors()


def usable_processors() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
