"""The command line: what it prints where, and how it ends."""

from __future__ import annotations

import errno
import json
import mmap
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from geo_xmodal.commands.console import one_line
from geo_xmodal.commands.options import chosen_bands, key_values
from geo_xmodal.errors import GeoXmodalError, OutputError, UsageError
from geo_xmodal.outputs import check_writable
from tests import tiny

COMMANDS = (
    "scenes",
    "methods",
    "models",
    "info",
    "simulate",
    "align",
    "import",
    "correlate",
    "train",
    "map",
    "evaluate",
    "explain",
    "compare",
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scene(tmp_path_factory.mktemp("scenes") / "tiny")


def program(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    installed = Path(sys.executable).parent / "geo-xmodal"
    return subprocess.run([installed, *arguments], capture_output=True, text=True, check=False, cwd=cwd)


def result_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What a command gives with --json: one object, and nothing else on standard output."""
    capsys.readouterr()
    status = run([*arguments, "--json"])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    assert captured.out.count("\n") == 1
    return json.loads(captured.out)


# --- the Python API that the commands use


def test_every_name_of_the_api_is_there() -> None:
    for name in gx.__all__:
        assert getattr(gx, name) is not None
    assert set(gx.__all__) <= set(dir(gx))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'open_sesame'"):
        gx.open_sesame  # noqa: B018


def test_help_and_scenes_load_no_torch() -> None:
    code = (
        "import sys; from geo_xmodal.commands.app import run;"
        "assert run(['--help']) == 0 and run(['scenes']) == 0;"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- results


def test_no_arguments_and_help_name_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    shown = capsys.readouterr().out
    assert run(["--help"]) == 0
    assert capsys.readouterr().out == shown
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", shown)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_takes_json(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run([command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"geo-xmodal {gx.__version__}\n"


def test_scenes_lists_those_of_the_data_folder_first(
    scene: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEO_XMODAL_DATA", str(scene.parent))
    found = result_of(capsys, "scenes")["scenes"][0]
    assert (found["name"], found["source"], found["simulated"]) == ("tiny", "data", True)
    assert run(["scenes"]) == 0
    assert re.search(r"tiny +simulated .*Three crops", capsys.readouterr().out)


def test_an_unusable_scene_is_listed_with_its_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "scene.toml").write_text("nonsense = 1")
    monkeypatch.setenv("GEO_XMODAL_DATA", str(tmp_path))
    found = result_of(capsys, "scenes")["scenes"][0]
    assert "nonsense" in found["problem"]


def test_methods_lists_the_registry_and_the_settings_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    known = {one["name"]: one for one in result_of(capsys, "methods")["methods"]}
    assert list(known) == list(gx.METHODS)
    assert known["hgr"]["uses_auxiliary"] and not known["svm"]["uses_auxiliary"]
    settings = {one["name"]: one["default"] for one in known["hgr"]["settings"]}
    assert settings["epochs"] == gx.METHODS["hgr"].Options().model_dump()["epochs"]
    assert run(["methods", "hgr"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in settings)
    assert run(["methods", "hrg"]) == 2
    assert "hgr, cnn" in capsys.readouterr().err


def test_models_lists_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    found = result_of(capsys, "models")["models"]
    assert [one["name"] for one in found] == [one.name for one in gx.list_models()]
    for one in found:
        assert one["problem"] is None
        assert one["classes"]
        assert gx.find_model(one["name"]) == Path(one["folder"])


def test_info_says_what_a_scene_is(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = result_of(capsys, "info", str(scene))
    assert found["type"] == "scene"
    assert (found["height"], found["width"], found["crs"]) == (tiny.SIDE, tiny.SIDE, tiny.CRS)
    assert [one["name"] for one in found["modalities"]] == ["sar", "hsi"]
    assert found["classes"][1] == {"id": 4, "name": "Maize", "color": "#117733"}
    assert run(["info", str(scene / "scene.toml")]) == 0
    assert "training only" in capsys.readouterr().out


def test_info_says_what_a_raster_is(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = result_of(capsys, "info", str(scene / "hsi.tif"))
    assert found["type"] == "raster"
    assert (found["height"], found["width"], found["count"]) == (tiny.SIDE, tiny.HSI_COLUMNS, 8)
    assert found["transform"] == [tiny.PIXEL, 0, tiny.WEST, 0, -tiny.PIXEL, tiny.NORTH]
    assert run(["info", str(scene / "hsi.tif")]) == 0
    assert "96 rows x 64 columns, 8 bands of float32" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nowhere", "nowhere.tif"])
def test_info_of_nothing_is_a_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", name]) == 2
    assert name in only_line(capsys)


# --- how it ends


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["train", "--scene", "x", "--frobnicate"], "--frobnicate"),
        (["train"], "--scene"),
        (["frobnicate"], "frobnicate"),
        (["train", "--scene", "x", "--epochs", "many"], "many"),
        (["train", "--scene", "x", "--epochs", "0"], "0"),
        (["map", "--model", "x", "--out", "x.tif", "--engine", "steam"], "steam"),
        (["simulate"], "OUT"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_wrong_usage_is_one_line_that_says_where_help_is(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    line = only_line(capsys)
    assert word.lower() in line.lower()
    assert re.search(r"see geo-xmodal( \w+)? --help$", line)


def test_what_a_geographic_library_refuses_is_no_fault(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        pyproj.Transformer.from_crs("EPSG:4326", 'LOCAL_CS["site grid",UNIT["metre",1]]')

    monkeypatch.setattr(gx, "list_scenes", refused)
    assert run(["scenes"]) == 2
    assert "pyproj does not take this input: ProjError" in only_line(capsys)


def map_more_than_there_is() -> None:
    mmap.mmap(-1, 1 << 60)


@pytest.mark.parametrize(
    "asked",
    [lambda: np.empty(1 << 60, np.uint8), lambda: torch.empty(1 << 60), map_more_than_there_is],
    ids=["numpy", "torch", "system"],
)
def test_too_little_memory_is_no_fault(
    asked: Callable[[], object], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed() -> None:
        try:
            asked()
        except Exception as error:
            raise RuntimeError("scenes cannot be listed") from error

    for listing in (asked, listed):
        monkeypatch.setattr(gx, "list_scenes", listing)
        assert run(["scenes"]) == 2
        assert only_line(capsys).startswith("error: not enough memory")


def test_a_fault_is_one_line_and_its_traceback_is_in_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("three\nlines\nof it")

    monkeypatch.setattr(gx, "list_scenes", broken)
    assert run(["scenes"]) == 1
    line = only_line(capsys)
    log = Path(line.rpartition(" ")[2])
    try:
        assert "Traceback" in log.read_text() and "in broken" in log.read_text()
        assert "three lines of it" in line
    finally:
        log.unlink()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.ENOTDIR, errno.EROFS])
def test_an_error_of_the_file_system_is_the_users(
    code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError(code, "the reason", "/the/place")

    monkeypatch.setattr(gx, "list_scenes", broken)
    assert run(["scenes"]) == 2
    assert re.match(r"error: /the/place: the reason: .+", only_line(capsys))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["scenes"], "stopped: nothing was written"),
        (["scenes", "--json"], "stopped: nothing was written"),
    ],
)
def test_ctrl_c_is_status_130(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gx, "list_scenes", stopped)
    assert run(arguments) == 130
    assert capsys.readouterr().err.splitlines() == [line]


def test_ctrl_c_in_a_run_says_the_command_that_goes_on(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gx, "train_scene", stopped)
    arguments = ["train", "--scene", str(scene), "--out", str(tmp_path / "a run")]
    again = f"geo-xmodal train --scene {scene} --out '{tmp_path}/a run' --resume"
    for extra in ([], ["--resume"]):
        assert run([*arguments, *extra]) == 130
        assert capsys.readouterr().err.splitlines() == [f"stopped; to go on: {again}"]


def test_the_installed_program_ends_as_run_says() -> None:
    done = program("info", "nowhere.tif")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["train", "map", "evaluate", "compare", "simulate"])
def test_python_m_is_the_same_command(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"geo_xmodal.{command}", "--nonsense"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip().endswith(f"see geo-xmodal {command} --help")


def test_our_warnings_are_a_line_and_those_of_others_are_none() -> None:
    code = (
        "import warnings; from geo_xmodal.commands import app;"
        "app._quieten_libraries();"
        "warnings.warn_explicit('ours', UserWarning, 'x.py', 1, module='geo_xmodal.raster.files');"
        "warnings.warn_explicit('theirs', UserWarning, 'y.py', 1, module='rasterio');"
        "warnings.warn_explicit('theirs', UserWarning, 'y.py', 1, module='geo_xmodal_plugin');"
        "warnings.warn_explicit('old', PendingDeprecationWarning, 'z.py', 1, module='geo_xmodal.bundle')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "warning: ours\n"


# --- options


def test_key_values() -> None:
    assert key_values(["a=1", " b = x=y "]) == {"a": "1", "b": "x=y"}
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(UsageError):
            key_values(wrong)


@given(st.dictionaries(st.from_regex(r"[a-z_]+", fullmatch=True), st.text().map(str.strip)))
def test_key_values_gives_back_what_was_written(pairs: dict[str, str]) -> None:
    assert key_values([f"{key}={value}" for key, value in pairs.items()]) == pairs


@given(st.lists(st.integers(1, 9999), min_size=1))
def test_bands_gives_back_what_was_written(bands: list[int]) -> None:
    assert chosen_bands(",".join(map(str, bands))) == tuple(bands)


def test_bands_may_be_names() -> None:
    assert chosen_bands("B02, B8A") == ("B02", "B8A")


@pytest.mark.parametrize("wrong", ["", "0", "1,,2", "-1", "1,B02", "B02,"])
def test_bands_refuses_anything_else(wrong: str) -> None:
    with pytest.raises(UsageError, match="bands"):
        chosen_bands(wrong)


def test_an_output_that_cannot_be_is_found_before_the_work(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    check_writable(tmp_path / "new" / "deep" / "map.tif")
    with pytest.raises(OutputError, match=r"file is a file, expected a folder"):
        check_writable(file / "deep" / "map.tif")
    assert list(tmp_path.iterdir()) == [file]
    for wrong in (
        file / "map.tif",
        file / "deep" / "map.tif",
        Path("/proc/map.tif"),
        tmp_path / ("x" * 300) / "y",
    ):
        with pytest.raises(OutputError, match=r"choose|check the path"):
            check_writable(wrong)


@given(st.text())
def test_one_line_is_one_line_that_no_terminal_obeys(text: str) -> None:
    assert one_line(text).isprintable()


def test_one_line_keeps_words() -> None:
    assert one_line("größe\tis \x1b[31m5 m²\n") == "größe is ?[31m5 m²"


def test_every_error_has_an_exit_status_of_2() -> None:
    assert {error.exit_status for error in [GeoXmodalError, *GeoXmodalError.__subclasses__()]} == {2}
