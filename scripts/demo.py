"""From two sensors to a map from one, on the sample scene berlin; `make demo` runs it.

Everything goes to demo_output/, which is made anew.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from pathlib import Path

import geo_xmodal as gx
from geo_xmodal.commands.app import run

OUT = Path("demo_output")
SCENE = "berlin"
UNLABELLED = "unlabelled=6000"
"""A third of the default, so that training takes minutes on two cores; more pixels give a better map."""
BUDGET = "30s"
"""For choosing among methods, of which most are judged on few folds then; the default is five minutes."""


def command(*arguments: str) -> None:
    print(f"\n$ {shlex.join(['geo-xmodal', *arguments])}", flush=True)
    status = run(arguments)
    if status:
        sys.exit(status)


def without_auxiliary_sensors(scene: gx.Scene, folder: Path) -> None:
    """A copy of the scene that only has the sensor to map from."""
    shutil.copytree(scene.folder, folder)
    for name in scene.auxiliary_modalities:
        hidden = folder / scene.modality(name).file
        hidden.unlink()
        print(f"\nhidden from here on: {hidden}")


def main() -> None:
    started = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    scene = gx.open_scene(SCENE)
    command(
        "train", "--scene", SCENE, "--budget", BUDGET, "--control", "--set", UNLABELLED,
        "--out", str(OUT / "run"),
    )  # fmt: skip
    without_auxiliary_sensors(scene, OUT / "scene")
    command(
        "map", "--model", str(OUT / "run"), "--scene", str(OUT / "scene"), "--out", str(OUT / "map.tif"),
        "--probability", "--picture", str(OUT / "map.png"),
    )  # fmt: skip
    command(
        "evaluate", "--map", str(OUT / "map.tif"), "--reference", str(OUT / "scene" / "test.tif"),
        "--out", str(OUT / "accuracy"),
    )  # fmt: skip
    print(f"\nfrom {scene.target} alone, in {time.monotonic() - started:.0f} seconds:")
    for what, place in (
        ("map", OUT / "map.tif"),
        ("picture", OUT / "map.png"),
        ("report", OUT / "run" / "report.html"),
        ("accuracy of the whole map", OUT / "accuracy" / "report.html"),
    ):
        print(f"  {what}: {place.resolve()}")


if __name__ == "__main__":
    main()
