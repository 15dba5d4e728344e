"""How much memory a process took at most."""

from __future__ import annotations

from pathlib import Path


def peak_kib() -> int:
    """Most resident memory of this process so far, KiB; Linux only.

    `resource.getrusage` would not do: a child process starts with the peak of the one that started it.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise LookupError("this kernel does not tell VmHWM")
