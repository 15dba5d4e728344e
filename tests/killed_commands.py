"""The commands that tests kill (`tests.killing`), on the smallest scenes that they work on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from tests import tiny
from tests.killing import Case

SETTINGS = (
    "--epochs", "2", "--set", "contrasts=", "--set", "widths=8", "--set", "kernels=3", "--set", "embedding=8",
    "--set", "least_steps=1",
)  # fmt: skip
SCENE = ("--scene", "inputs/tiny")


def _nothing(place: Path) -> None:
    tiny.write_scene(place / "inputs" / "tiny")


def _older_run(place: Path) -> None:
    _nothing(place)
    scene = gx.open_scene(place / "inputs" / "tiny")
    gx.train_scene(scene, place / "work" / "run", gx.TrainRequest(method="cca"))
    (place / "work" / "run" / "notes.txt").write_text("of the user")


def _train(*options: str) -> Callable[[bool], int]:
    arguments = ["train", *SCENE, "--out", "work/run", *options]
    return lambda again: run([*arguments, *(["--resume"] if again else [])])


def _models(place: Path) -> None:
    scene = gx.open_scene(tiny.write_scene(place / "inputs" / "tiny"))
    for method in ("svm", "cca"):
        gx.train_scene(scene, place / "inputs" / method, gx.TrainRequest(method=method))


def _map(place: Path, method: str, out: Path, **layers: bool) -> None:
    reader = gx.open_scene(place / "inputs" / "tiny").reader("sar")
    gx.map_scene(place / "inputs" / method, reader, out, window=48, engine="torch", threads=1, **layers)


def _older_map(place: Path) -> None:
    _models(place)
    _map(place, "cca", place / "work" / "map.tif", entropy=True, probability=True)


def _a_map(place: Path) -> None:
    _models(place)
    _map(place, "cca", place / "inputs" / "map.tif", probability=True)
    shutil.copyfile(place / "inputs" / "tiny" / "test.tif", place / "inputs" / "reference.tif")


def _a_map_over_another(place: Path) -> None:
    _a_map(place)
    _map(place, "svm", place / "work" / "map.tif", entropy=True)


def _over(prepare: Callable[[Path], None], *files: str) -> Callable[[Path], None]:
    """Files of an earlier command, and one of the user."""

    def prepared(place: Path) -> None:
        prepare(place)
        for file in ("out/notes.txt", *files):
            path = place / "work" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("older")

    return prepared


def _command(*arguments: str) -> Callable[[bool], int]:
    return lambda again: run(list(arguments))


def _studied(place: Path) -> None:
    (place / "inputs").mkdir()
    for name in ("x", "y"):
        np.save(place / "inputs" / f"{name}.npy", np.random.default_rng(0).normal(size=(60, 1)))


def _correlate(again: bool) -> int:
    return run(["correlate", "--x", "inputs/x.npy", "--y", "inputs/y.npy", "--out", "work/out"])


def _few_tested(place: Path) -> None:
    tiny.write_scene(place / "inputs" / "tiny", tested=0.02)


def _older_comparison(place: Path) -> None:
    _few_tested(place)
    scene = gx.open_scene(place / "inputs" / "tiny")
    gx.compare_methods(scene, place / "work" / "out", gx.CompareRequest(methods=("svm",), seeds=1))


def _copies(place: Path) -> None:
    from tests.published import copies

    copies.write_copy(place / "inputs", "trento")


MAP = (
    "map", "--model", "inputs/svm", *SCENE, "--out", "work/map.tif", "--window", "48", "--engine", "torch",
    "--probability",
)  # fmt: skip
COMPARE = _command("compare", *SCENE, "--methods", "svm,cca", "--seeds", "2", "--out", "work/out")
THERE = frozenset({0, 2})
"""What is whole already is in the way of the same command."""

PRETRAIN = (
    "pretrain", *SCENE, "--out", "work/run", *SETTINGS, "--set", "unlabelled=200", "--set", "dimensions=8",
    "--set", "projector_width=8", "--set", "auxiliary_widths=8,8",
)  # fmt: skip

CASES = {
    "pretrain": Case(
        _nothing, lambda again: run([*PRETRAIN, *(["--resume"] if again else [])]), "run", anew=True
    ),
    "train": Case(_nothing, _train("--method", "cnn", *SETTINGS), "run", anew=True),
    "train over": Case(_older_run, _train("--method", "cnn", *SETTINGS), "run", anew=True),
    "train closed form over": Case(_older_run, _train("--method", "svm"), "run", anew=True),
    "train seeds": Case(
        _older_run, _train("--method", "cnn", *SETTINGS, "--seeds", "2", "--control"), "run", anew=True
    ),
    "train from disk": Case(
        _older_run,
        _train("--method", "hgr", *SETTINGS, "--set", "memory=0", "--seeds", "2"),
        "run",
        anew=True,
    ),
    "map": Case(_models, lambda again: run([*MAP, *(["--resume"] if again else [])]), "map.tif", anew=True),
    "map over": Case(
        _older_map, lambda again: run([*MAP, *(["--resume"] if again else [])]), "map.tif", anew=True
    ),
    "correlate": Case(_studied, _correlate, "out"),
    "correlate over": Case(
        _over(_studied, "out/correlation.json", "out/correlation.png"), _correlate, "out"
    ),
    "evaluate over": Case(
        _over(_a_map, "out/metrics.json", "out/report.html"),
        _command(
            "evaluate", "--map", "inputs/map.tif", "--reference", "inputs/reference.tif", "--out", "work/out"
        ),
        "out",
    ),
    "compare": Case(_few_tested, COMPARE, "out"),
    "compare over": Case(
        _older_comparison,
        COMPARE,
        "out",
        ours=lambda path: not path.startswith("out/cells/"),
    ),
    "align": Case(
        _nothing,
        _command(
            "align", "--reference", "inputs/tiny/sar.tif", "--hsi", "inputs/tiny/hsi.tif",
            "--labels", "inputs/tiny/train.tif", "--copy", "work/out",
        ),
        "out",
        THERE,
    ),
    "simulate": Case(
        _nothing,
        _command("simulate", "work/out", "--like", "houston", "--rows", "64", "--cols", "64"),
        "out",
        THERE,
    ),
    "import": Case(_copies, _command("import", "trento", "inputs", "--out", "work/out"), "out", THERE),
    "export qgis": Case(
        _a_map,
        _command("export", "--map", "inputs/map.tif", "--to", "qgis", "--out", "work/out", *SCENE),
        "out",
        THERE,
    ),
    "export gpkg": Case(
        _over(_a_map, "map.gpkg"),
        _command("export", "--map", "inputs/map.tif", "--to", "gpkg", "--out", "work/map.gpkg"),
        "map.gpkg",
    ),
    "export geotiff": Case(
        _a_map_over_another,
        _command(
            "export", "--map", "inputs/map.tif", "--to", "geotiff", "--out", "work/map.tif",
            "--reclass", "Wheat=Field",
        ),
        "map.tif",
    ),
    "export stac": Case(
        _over(_a_map, "map.json"),
        _command(
            "export", "--map", "inputs/map.tif", "--to", "stac", "--out", "work/map.json",
            "--date", "2024-06-01",
        ),
        "map.json",
    ),
    "export onnx": Case(
        _over(_models, "model.onnx"),
        _command("export", "--model", "inputs/svm", "--to", "onnx", "--out", "work/model.onnx"),
        "model.onnx",
    ),
}  # fmt: skip
