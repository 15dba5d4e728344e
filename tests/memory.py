"""How much memory a process took at most, and may take."""

from __future__ import annotations

import resource
from pathlib import Path


def limit_memory(more_mib: int) -> None:
    """Let this process take only so much address space more than it has now; for child processes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + (more_mib << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def peak_kib() -> int:
    """Most resident memory of this process so far, KiB; Linux only.

    `resource.getrusage` would not do: a child process starts with the peak of the one that started it.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise LookupError("this kernel does not tell VmHWM")
