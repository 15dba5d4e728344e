"""QGIS without a window, with a profile of its own in which the plugin is installed from its zip."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import REPOSITORY

SOURCES = REPOSITORY / "app" / "qgis"
PLUGIN = SOURCES / "geo_xmodal_qgis"
COMMAND = Path(sys.executable).with_name("geo-xmodal")
_PLUGINS = "profiles/default/python/plugins"
_SECONDS = 2400
"""Only what hangs takes so long, on any machine."""


def imported(path: Path) -> ModuleType:
    """A file of the plugin as a module, as far as it needs no QGIS."""
    spec = importlib.util.spec_from_file_location(f"plugin_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Qgis:
    """QGIS on the command line.

    Attributes:
        profile: Its settings and plugins, nobody else's.
        process: The program `qgis_process`.
        python: The Python that has PyQGIS.
    """

    profile: Path
    process: str
    python: str

    def environment(self, command: str | None = str(COMMAND)) -> dict[str, str]:
        """What QGIS is started with; `command` is where geo-xmodal is said to be, None leaves that open."""
        set_ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.profile),
            "QT_QPA_PLATFORM": "offscreen",
            "QGIS_CUSTOM_CONFIG_PATH": str(self.profile),
            "PYTHONPATH": f"/usr/share/qgis/python/plugins:{self.profile / _PLUGINS}",
            "OMP_NUM_THREADS": "1",
            "LANG": "C.UTF-8",
        }
        return set_ if command is None else set_ | {"GEO_XMODAL_COMMAND": command}

    def run(
        self, algorithm: str, *parameters: str, command: str | None = str(COMMAND)
    ) -> subprocess.CompletedProcess[str]:
        """`qgis_process run ALGORITHM -- NAME=VALUE ...`."""
        words = [self.process, "run", algorithm, "--", *parameters]
        return self._call(words, self.environment(command))

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`qgis_process WORDS`."""
        return self._call([self.process, *words], self.environment())

    def steps(self, folder: Path, steps: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """What `in_qgis.py` answers."""
        request, answer = folder / "request.json", folder / "answer.json"
        request.write_text(json.dumps(steps), encoding="utf-8")
        script = Path(__file__).with_name("in_qgis.py")
        done = self._call([self.python, str(script), str(request), str(answer)], self.environment())
        assert answer.exists(), done.stdout + done.stderr
        answers: dict[str, dict[str, Any]] = json.loads(answer.read_text(encoding="utf-8"))
        return answers

    def _call(self, words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )


@pytest.fixture(scope="session")
def plugin_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin as it is given to users."""
    built: Path = imported(SOURCES / "build.py").build(tmp_path_factory.mktemp("dist"))
    return built


@pytest.fixture(scope="session")
def qgis(
    tmp_path_factory: pytest.TempPathFactory, system_program: Callable[[str], str], plugin_zip: Path
) -> Qgis:
    """QGIS with the plugin installed and enabled."""
    # Debian's qgis_process is a script that adds an option which qgis_process does not know
    process = shutil.which("qgis_process.bin") or system_program("qgis_process")
    python = system_program("/usr/bin/python3")
    profile = tmp_path_factory.mktemp("qgis")
    with zipfile.ZipFile(plugin_zip) as archive:
        archive.extractall(profile / _PLUGINS)
    settings = profile / "profiles" / "default" / "QGIS" / "QGIS3.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text("[PythonPlugins]\ngeo_xmodal_qgis=true\n", encoding="utf-8")
    return Qgis(profile, process, python)


@pytest.fixture(autouse=True)
def _no_command_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GEO_XMODAL_COMMAND")]:
        monkeypatch.delenv(name)
