"""How much memory may still be taken: by the limits of address space, containers and the machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from geo_xmodal.errors import MemoryShortageError
from geo_xmodal.memory import check_memory, least, rooms
from tests.tiny import write_scene

MIB = 1 << 20
UNLIMITED_V1 = str((1 << 63) - 4096)


class Machine:
    """A made-up /proc, with cgroups."""

    def __init__(self, folder: Path, cgroup: str, free_mib: int = 1000, swap_mib: int = 0) -> None:
        self.proc, self.mount = folder / "proc", folder / "sys fs" / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "self" / "cgroup").write_text(cgroup)
        (self.proc / "meminfo").write_text(
            f"MemTotal:       {4000 * 1024} kB\nMemFree:        {10 * 1024} kB\n"
            f"MemAvailable:   {free_mib * 1024} kB\nSwapFree:       {swap_mib * 1024} kB\n"
        )

    def mounted(self, line: str) -> None:
        """Where cgroups are; MOUNT stands for the folder, spaces as the kernel writes them."""
        place = str(self.mount).replace(" ", "\\040")
        (self.proc / "self" / "mountinfo").write_text(
            f"22 1 0:20 / /sys rw - sysfs sysfs rw\n{line.replace('MOUNT', place)}\n"
        )

    def group(self, name: str, files: Mapping[str, str]) -> None:
        folder = self.mount / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / file).write_text(f"{text}\n")


def v2(limit: str, used_mib: int, high: str = "max", stat: str = "") -> dict[str, str]:
    return {
        "memory.max": limit,
        "memory.high": high,
        "memory.current": str(used_mib * MIB),
        "memory.stat": f"anon 5\n{stat}",
    }


def stat(inactive: int, active: int, mapped: int, prefix: str = "") -> str:
    names = (
        f"{prefix}inactive_file",
        f"{prefix}active_file",
        f"{prefix}{'mapped_file' if prefix else 'file_mapped'}",
    )
    return "\n".join(
        f"{name} {mib * MIB}" for name, mib in zip(names, (inactive, active, mapped), strict=True)
    )


V2 = "30 22 0:27 / MOUNT rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "31 22 0:28 /docker/abc MOUNT rw - cgroup cgroup rw,memory"


def test_the_machine_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "", free_mib=1000, swap_mib=24)
    found = least(machine.proc)
    assert (found.free, found.limit) == (1024 * MIB, 4000 * MIB)
    assert str(found) == "1.0 GiB of 3.9 GiB are free (the memory of this machine)"


def test_without_proc_psutil_is_asked(tmp_path: Path) -> None:
    found = least(tmp_path)
    assert found.limit == psutil.virtual_memory().total and 0 < found.free <= found.limit


def test_what_this_machine_says_is_what_psutil_says() -> None:
    found, known = rooms()[-1], psutil.virtual_memory()
    assert found.limit == known.total
    assert abs(found.free - known.available - psutil.swap_memory().free) < 0.2 * known.total


def test_a_group_of_version_2(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "0::/job\n")
    machine.mounted(V2)
    machine.group("job", v2(str(500 * MIB), 400, stat=stat(50, 30, 20)))
    found = least(machine.proc)
    assert (found.free, found.limit) == ((500 - 400 + 50 + 30 - 20) * MIB, 500 * MIB)
    assert str(machine.mount / "job") in str(found) and "container or batch job" in str(found)


def test_a_group_is_slowed_down_before_its_limit(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "0::/job\n")
    machine.mounted(V2)
    machine.group("job", v2(str(900 * MIB), 100, high=str(300 * MIB)))
    assert least(machine.proc).free == 200 * MIB


def test_a_group_lies_in_groups_with_limits_of_their_own(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "12:cpu:/other\n0::/user/job/step\n")
    machine.mounted(V2)
    machine.group("user/job/step", v2("max", 10))
    machine.group("user/job", v2(str(800 * MIB), 100))
    machine.group("user", v2(str(900 * MIB), 850))
    machine.group("other", v2(str(20 * MIB), 10))
    assert least(machine.proc).free == 50 * MIB
    assert [room.free // MIB for room in rooms(machine.proc) if "container" in room.whose] == [700, 50]


def test_a_container_sees_its_own_group_at_the_root(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "0::/../../outside\n")
    machine.mounted(V2)
    machine.group("", v2(str(300 * MIB), 100))
    assert least(machine.proc).free == 200 * MIB


def test_a_group_of_version_1(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc/step\n0::/\n")
    machine.mounted(V1)
    used = {"memory.usage_in_bytes": str(60 * MIB), "memory.stat": stat(9, 8, 7, "total_")}
    machine.group("", used | {"memory.limit_in_bytes": str(100 * MIB)})
    machine.group("step", used | {"memory.limit_in_bytes": UNLIMITED_V1})
    found = least(machine.proc)
    assert (found.free, found.limit) == ((100 - 60 + 9 + 8 - 7) * MIB, 100 * MIB)


@pytest.mark.parametrize("text", ["", "garbage", "0::", "x::/\n::\n0:memory\n"])
def test_what_cannot_be_read_is_no_limit(tmp_path: Path, text: str) -> None:
    machine = Machine(tmp_path, text)
    machine.mounted(f"{text}\n1 2 3\n - cgroup2\n")
    (machine.proc / "self" / "statm").write_text("no number")
    assert [room.whose for room in rooms(machine.proc)] == ["the memory of this machine"]


def test_less_memory_than_needed_is_said_with_what_to_do(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "0::/job\n")
    machine.mounted(V2)
    machine.group("job", v2(str(500 * MIB), 400))
    check_memory("this", 100 * MIB, "take less", mapped=10**15, proc=machine.proc)
    with pytest.raises(MemoryShortageError) as told:
        check_memory("this", 100 * MIB + 1, "take less", proc=machine.proc)
    assert str(told.value) == (
        "this needs 100 MiB of memory, 100 MiB of 500 MiB are free (the limit of the container or batch job, "
        f"{machine.mount / 'job'}): take less"
    )


def test_the_address_space_counts_files_too(tmp_path: Path) -> None:
    script = (
        "import resource; from geo_xmodal.errors import MemoryShortageError;"
        "from geo_xmodal.memory import check_memory, rooms; from tests.memory import limit_memory\n"
        "assert not rooms()[0].address_space\n"
        "limit_memory(300); room = rooms()[0]\n"
        f"assert room.address_space and abs(room.free - {300 * MIB}) < {20 * MIB}\n"
        f"check_memory('this', {100 * MIB}, 'take less', mapped={100 * MIB})\n"
        "try:\n"
        f"    check_memory('this', {100 * MIB}, 'take less', mapped={300 * MIB})\n"
        "except MemoryShortageError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=240, check=True
    )
    assert done.stdout.startswith("this needs 400 MiB of address space") and "ulimit -v" in done.stdout


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from geo_xmodal.cli import main
main(sys.argv[2:])
"""


def limited(mib: int, *arguments: str) -> tuple[int, list[str]]:
    """Exit status and standard error of the program with so much address space."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(mib * MIB), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="no limit of address space")
@pytest.mark.parametrize("mib", [1024, 1400])
@pytest.mark.parametrize("command", ["train", "map", "correlate", "compare", "methods"])
def test_too_little_address_space_is_told_before_pytorch_is_imported(
    command: str, mib: int, tmp_path: Path
) -> None:
    """Up to what the smallest build of PyTorch takes; in the midst of it an import may end by a signal."""
    scene = str(write_scene(tmp_path / "tiny"))
    arguments = {
        "train": ["--scene", scene, "--out", str(tmp_path / "run")],
        "map": ["--scene", scene, "--model", "berlin-sar-hgr", "--out", str(tmp_path / "map.tif")],
        "correlate": ["--scene", scene, "--between", "hsi", "sar", "--out", str(tmp_path / "study")],
        "compare": ["--scene", scene, "--methods", "svm", "--out", str(tmp_path / "compared")],
        "methods": [],
    }
    status, lines = limited(mib, command, *arguments[command])
    assert status == 2 and len(lines) == 1, lines
    assert lines[0].startswith("error: PyTorch needs ") and "ulimit -v" in lines[0]
    assert {path.name for path in tmp_path.iterdir()} == {"tiny"}


@pytest.mark.skipif(sys.platform != "linux", reason="no limit of address space")
def test_what_needs_no_pytorch_runs_with_little_address_space(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "tiny")
    files = ["--reference", "sar.tif", "--hsi", "hsi.tif", "--labels", "train.tif"]
    given = [str(scene / word) if word.endswith(".tif") else word for word in files]
    status, lines = limited(1024, "align", str(tmp_path / "aligned"), "--target-kind", "sar", *given)
    assert status == 0, lines
    assert limited(1024, "info", str(scene)) == (0, [])
