"""The zip that users install."""

from __future__ import annotations

import ast
import configparser
import json
import os
import shutil
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import geo_xmodal as gx
from geo_xmodal.version import VERSION
from tests.app.qgis.conftest import PLUGIN, SOURCES, imported


def test_same_sources_give_the_same_bytes(plugin_zip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "app" / "qgis"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SOURCES.parents[1] / "LICENSE", tmp_path)
    for path in copy.rglob("*"):
        os.utime(path, (1_500_000_000, 1_500_000_000))
    (copy / "geo_xmodal_qgis" / "__pycache__").mkdir()
    (copy / "geo_xmodal_qgis" / "__pycache__" / "plugin.py").write_text("")
    again: Path = imported(copy / "build.py").build(tmp_path / "dist")
    assert again.read_bytes() == plugin_zip.read_bytes()


def test_zip_holds_one_folder_with_all_that_qgis_wants(plugin_zip: Path) -> None:
    with zipfile.ZipFile(plugin_zip) as archive:
        names = archive.namelist()
        metadata = configparser.ConfigParser()
        metadata.read_string(archive.read("geo_xmodal_qgis/metadata.txt").decode())
        icon = archive.read(f"geo_xmodal_qgis/{metadata['general']['icon']}")
    assert {name.split("/")[0] for name in names} == {"geo_xmodal_qgis"}
    assert {"geo_xmodal_qgis/README.md", "geo_xmodal_qgis/LICENSE", "geo_xmodal_qgis/__init__.py"} <= {*names}
    general = metadata["general"]
    assert general["version"] == VERSION, (
        "the plugin is released with the package: same version in metadata.txt"
    )
    assert general["hasProcessingProvider"] == "yes"
    assert general["qgisMinimumVersion"] == "3.22"
    assert ElementTree.fromstring(icon).tag.endswith("svg")


def test_sources_are_python_3_9_and_import_qgis_only() -> None:
    for path in PLUGIN.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
        for node in ast.walk(tree):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules.append(node.module or "")
            for module in modules:
                assert module.split(".")[0] in ALLOWED, f"{path.name} imports {module}"


def test_what_a_map_should_be_right_about_is_asked_in_the_words_of_the_pages() -> None:
    text = (PLUGIN / "commands.json").read_text(encoding="utf-8")
    (asked,) = [command for command in json.loads(text)["commands"] if command["name"] == "map"]
    (shares,) = [option for option in asked["options"] if option["name"] == "shares"]
    assert shares["words"][:-1] == [name for name in gx.SHARE_CHOICES if name != "table"]
    assert shares["label"] == gx.SHARE_QUESTION


ALLOWED = {"qgis", "osgeo", "processing", "__future__"} | {
    "base64", "binascii", "configparser", "contextlib", "functools", "html", "json", "math", "os", "pathlib",
    "queue", "re", "shlex", "shutil", "signal", "subprocess", "threading", "time",
}  # fmt: skip
