from __future__ import annotations

import copy
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_xmodal.errors import OutputError, SceneError
from geo_xmodal.scenes.config import (
    SceneConfig,
    SplitConfig,
    parse_config,
    read_classes,
    read_config,
    scene_file,
    to_toml,
    write_config,
)
from geo_xmodal.scenes.scene import open_scene
from geo_xmodal.types import LandClass

FULL = """
name = "berlin"
description = "Two sensors"
citation = "Nobody 2026"
license = "CC0-1.0"
simulated = true
target = "sar"

[modalities.sar]
file = "sar.tif"
kind = "sar"
sensor = "Sentinel-1 IW"
scale = "db"
nodata = -99.0

[modalities.hsi]
file = "deep/hsi.tif"
kind = "hsi"
bands = [1, 2, 5]
invalid_bands = [5]
resampling = "average"

[[classes]]
id = 1
name = "Forest"
color = "#1B7837"

[[classes]]
id = 7
name = "Water"
color = "#4575b4"

[labels.train]
file = "train.tif"

[labels.test]
file = "test.gpkg"
layer = "samples"
column = "class"
[labels.test.classes]
woods = 1
"open water" = 7
cloud = 0
"""


def full() -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads(FULL))


def complaint(table: dict[str, Any]) -> str:
    with pytest.raises(SceneError) as caught:
        parse_config(table)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("scene.toml: ")
    return message


def test_every_key_is_read(tmp_path: Path):
    (tmp_path / "scene.toml").write_text(FULL)
    config = read_config(tmp_path)
    assert (config.name, config.target, config.simulated) == ("berlin", "sar", True)
    assert (config.citation, config.license) == ("Nobody 2026", "CC0-1.0")
    sar, hsi = config.modalities["sar"], config.modalities["hsi"]
    assert (sar.kind, sar.scale, sar.nodata, sar.resampling) == ("sar", "db", -99.0, None)
    assert (hsi.file, hsi.bands, hsi.invalid_bands, hsi.resampling) == (
        "deep/hsi.tif",
        (1, 2, 5),
        (5,),
        "average",
    )
    assert config.legend == (LandClass(1, "Forest", "#1b7837"), LandClass(7, "Water", "#4575b4"))
    assert config.labels.test is not None
    assert (config.labels.test.layer, config.labels.test.column) == ("samples", "class")
    assert config.labels.test.classes == {"woods": 1, "open water": 7, "cloud": 0}


def test_defaults():
    table = full()
    del table["labels"]["test"]
    table["split"] = {}
    config = parse_config(table)
    assert config.split == SplitConfig(kind="blocks", block=64, buffer=20, test=0.5, seed=0)
    assert config.modalities["hsi"].scale == "linear"


def test_scene_without_labels_and_classes_is_for_mapping():
    table = full()
    del table["labels"], table["classes"]
    assert parse_config(table).legend == ()


@pytest.mark.parametrize(
    ("path", "key", "guess"),
    [
        ((), "targt", "target"),
        (("modalities", "sar"), "knd", "kind"),
        (("labels", "train"), "colum", "column"),
        (("classes", 0), "colour", "color"),
        (("labels",), "trian", "train"),
    ],
)
def test_misspelt_key_is_named_with_the_likely_one(path: tuple[Any, ...], key: str, guess: str):
    table = full()
    inner = table
    for part in path:
        inner = inner[part]
    inner[key] = "x"
    message = complaint(table)
    assert f"unknown key {key!r}; did you mean {guess!r}?" in message
    assert ".".join(map(str, path)) in message


def test_key_like_no_other_lists_the_known_ones():
    assert "known keys: kind, block, buffer, test, seed" in complaint({**full(), "split": {"xyz": 1}})


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("target",), "lidar", "modalities: sar, hsi"),
        (("modalities", "sar", "kind"), "radar", "modalities.sar.kind"),
        (("modalities", "sar", "scale"), "dB", "modalities.sar.scale"),
        (("modalities", "hsi", "scale"), "db", "modalities.hsi: scale = 'db' is for kind = 'sar'"),
        (("modalities", "hsi", "bands"), [], "modalities.hsi.bands"),
        (("modalities", "hsi", "bands"), [0], "modalities.hsi.bands.0"),
        (("modalities", "hsi", "invalid_bands"), [1, 2, 5], "leaves none"),
        (("modalities", "hsi", "resampling"), "lanczos", "modalities.hsi.resampling"),
        (("modalities",), {}, "modalities"),
        (("modalities", "../sar"), {"file": "a.tif", "kind": "sar"}, "modalities"),
        (("classes", 0, "id"), 0, "classes.0.id"),
        (("classes", 0, "id"), 256, "classes.0.id"),
        (("classes", 0, "id"), 7, "id 7 is used more than once"),
        (("classes", 0, "name"), "Water", "name Water is used more than once"),
        (("classes", 0, "name"), "x" * 201, "classes.0.name: String should have at most 200"),
        (("modalities", "sar", "sensor"), "x" * 501, "modalities.sar.sensor: String should have at most 500"),
        (("classes", 0, "color"), "green", "classes.0.color"),
        (("classes", 0, "color"), "#12345", "classes.0.color"),
        (("labels", "test", "classes", "woods"), 3, "labels.test.classes: id 3 is not in classes"),
        (("name",), "two words", "name"),
        (("split",), {"kind": "blocks"}, "found labels.test + labels.train + split"),
        (("split",), {"test": 1.0}, "split.test"),
        (("labels", "all"), {"file": "a.tif"}, "found labels.all + labels.test + labels.train"),
    ],
)
def test_what_has_no_meaning_is_refused_with_its_key(path: tuple[Any, ...], value: object, expected: str):
    table = full()
    inner = table
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    assert expected in complaint(table)


@pytest.mark.parametrize("missing", ["name", "target", "modalities"])
def test_missing_key_is_named(missing: str):
    table = full()
    del table[missing]
    assert f"{missing}: Field required" in complaint(table)


def test_one_class_is_too_few():
    table = full()
    del table["classes"][1], table["labels"]["test"]["classes"]
    assert "at least 2 are needed, found 1" in complaint(table)


@pytest.mark.parametrize(
    ("labels", "split", "good"),
    [
        (("train", "test"), False, True),
        (("all",), True, True),
        (("train",), True, True),
        (("train",), False, False),
        (("test",), False, False),
        (("test",), True, False),
        (("all",), False, False),
        ((), True, False),
        ((), False, True),
    ],
)
def test_labels_and_split_that_go_together(labels: tuple[str, ...], split: bool, good: bool):
    table = full()
    table["labels"] = {name: {"file": f"{name}.tif"} for name in labels}
    if split:
        table["split"] = {}
    if good:
        assert {name for name, _ in parse_config(table).labels.given()} == set(labels)
    else:
        assert "label" in complaint(table)


@pytest.mark.parametrize(
    "file", ["../x.tif", "a/../../x.tif", "/etc/passwd", "C:/x.tif", "C:x.tif", "a\\x.tif", "", "a\0.tif"]
)
def test_files_outside_the_folder_are_refused(file: str):
    table = full()
    table["modalities"]["hsi"]["file"] = file
    assert "modalities.hsi.file" in complaint(table)


def test_link_out_of_the_folder_is_refused(tmp_path: Path):
    scene = tmp_path / "scene"
    scene.mkdir()
    (scene / "scene.toml").write_text(FULL)
    (tmp_path / "elsewhere.tif").touch()
    (scene / "sar.tif").symlink_to(tmp_path / "elsewhere.tif")
    with pytest.raises(SceneError, match="out of the scene folder"):
        read_config(scene)
    (scene / "sar.tif").unlink()
    (scene / "deep").symlink_to(tmp_path)
    with pytest.raises(SceneError, match="out of the scene folder"):
        read_config(scene)


@pytest.mark.parametrize("named", ["", "scene.toml"])
def test_a_scene_toml_out_of_the_folder_is_refused_and_not_shown(tmp_path: Path, named: str):
    scene, secret = tmp_path / "scene", tmp_path / "secret.toml"
    scene.mkdir()
    secret.write_text('token = "hidden"')
    (scene / "scene.toml").symlink_to(secret)
    for read in (read_config, open_scene) if not named else (open_scene,):
        with pytest.raises(SceneError, match=r"scene\.toml: leads out of the scene folder") as caught:
            read(scene / named)
        assert "token" not in str(caught.value) and "hidden" not in str(caught.value)


def test_a_scene_toml_that_links_within_the_folder_is_fine(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "real.toml").write_text(FULL)
    (tmp_path / "scene.toml").symlink_to(Path("deep") / "real.toml")
    assert read_config(tmp_path).name == "berlin"


def test_folder_that_is_itself_a_link_is_fine(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "scene.toml").write_text(FULL)
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    assert read_config(tmp_path / "alias").name == "berlin"
    assert scene_file(tmp_path / "alias", "sar.tif") == tmp_path / "alias" / "sar.tif"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name = ", "not valid TOML"),
        (b"name = '\xff'", r"no UTF-8 text \(byte 0xff at 8\)"),
        (b"a = " + b"[" * 100_000, "nested more than 64 levels deep"),
        (b"#" * (5 * 2**20), "larger than"),
    ],
)
def test_what_is_no_toml_is_refused_in_one_line(tmp_path: Path, content: bytes, expected: str):
    (tmp_path / "scene.toml").write_bytes(content)
    with pytest.raises(SceneError, match=expected) as caught:
        read_config(tmp_path)
    assert str(tmp_path / "scene.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_without_scene_toml(tmp_path: Path):
    with pytest.raises(SceneError, match=r"not a scene folder: it holds no scene\.toml"):
        read_config(tmp_path)


def test_round_trip_of_every_key(tmp_path: Path):
    config = parse_config(full())
    path = write_config(config, tmp_path)
    assert read_config(tmp_path) == config
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o644


def test_nan_as_nodata_survives(tmp_path: Path):
    table = full()
    table["modalities"]["sar"]["nodata"] = math.nan
    write_config(parse_config(table), tmp_path)
    nodata = read_config(tmp_path).modalities["sar"].nodata
    assert nodata is not None and math.isnan(nodata)


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/scene\.toml: .*in the way"):
        write_config(parse_config(full()), tmp_path / "file")


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_scalars = st.one_of(_texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
_values = st.one_of(_scalars, st.lists(_scalars, max_size=3))
_tables = st.recursive(
    st.dictionaries(_texts, _values, max_size=3),
    lambda inner: st.dictionaries(
        _texts, st.one_of(_values, inner, st.lists(inner, min_size=1, max_size=2)), max_size=3
    ),
    max_leaves=8,
)


@given(_tables)
def test_written_toml_is_read_back(table: dict[str, Any]):
    assert tomllib.loads(to_toml(table)) == table


@given(description=_texts, name=_texts.filter(lambda text: text.strip()), value=_texts)
def test_any_text_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, description: str, name: str, value: str
):
    table = full()
    table["description"] = description
    table["classes"][0]["name"] = name
    table["labels"]["test"]["classes"] = {value: 7}
    config: SceneConfig = parse_config(table)
    folder = tmp_path_factory.mktemp("scene")
    write_config(config, folder)
    assert read_config(folder) == config


def test_classes_of_another_scene(tmp_path: Path):
    (tmp_path / "scene.toml").write_text(FULL)
    assert read_classes(tmp_path / "scene.toml") == parse_config(full()).classes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1", "has no"),
        ("[[classes]]\nid = 1\ncolor = '#000000'", "classes.0.name: Field required"),
        ("x", "TOML"),
    ],
)
def test_class_file_that_is_none(tmp_path: Path, text: str, expected: str):
    file = tmp_path / "classes.toml"
    file.write_text(text)
    with pytest.raises(SceneError, match=expected):
        read_classes(file)
    with pytest.raises(SceneError, match="no such file"):
        read_classes(tmp_path / "absent.toml")


def test_names_that_look_alike_are_one_name():
    table = full()
    table["classes"] = [
        {"id": 1, "name": "Forest", "color": "#000000"},
        {"id": 2, "name": "FOREST ", "color": "#ffffff"},
    ]
    assert "name FOREST, Forest is used more than once" in complaint(table)


def test_a_split_is_written_whole(tmp_path: Path):
    table = full()
    table["labels"] = {"all": {"file": "all.tif"}}
    table["split"] = {}
    write_config(parse_config(table), tmp_path)
    written = tomllib.loads((tmp_path / "scene.toml").read_text())
    assert written["split"] == {"kind": "blocks", "block": 64, "buffer": 20, "test": 0.5, "seed": 0}
