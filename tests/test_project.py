"""The project as a whole: what pyproject.toml, the Makefile and the tree promise."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
PYPROJECT = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")

MAX_BYTES = 1_000_000
LARGE_FILES_ALLOWED = ("sample_scenes", "models")
CODE = ("geo_xmodal", "app/geo_xmodal_app", "app/qgis")
OPENS_PICKLES = Path("scripts", "to_safetensors.py")
"""What people run by themselves where they trust a file, once its checksum is met; nothing imports it."""

UNSAFE_MODULES = ("pickle", "joblib", "marshal", "shelve", "dill")


def tracked() -> list[Path]:
    """The files of the repository, as git knows them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [REPOSITORY / name for name in listed.stdout.decode().split("\0") if name]
    return [file for file in files if file.is_file()]


def lint_commands() -> list[list[str]]:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    lines = [line.strip().removeprefix("@") for line in recipe[1].splitlines()]
    return [line.replace("$(BIN)/", "").split() for line in lines]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", lint_commands(), ids=" ".join)
def test_what_make_lint_runs_finds_nothing(command: list[str]) -> None:
    program = Path(sys.executable).parent / command[0]
    done = subprocess.run(
        [program, *command[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_every_dependency_says_why_it_is_there() -> None:
    project = tomllib.loads(PYPROJECT)["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    lines = PYPROJECT.splitlines()
    assert len(wanted) > 10
    for requirement in wanted:
        line = next(line for line in lines if line.strip().startswith(f'"{requirement}"'))
        reason = line.partition("#")[2].strip()
        assert len(reason) > 5, line


def test_the_pre_commit_hooks_run_what_make_lint_runs() -> None:
    hooks = (REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"entry: \.venv/bin/(.+)", hooks)
    assert {entry.split()[0] for entry in entries} == {command[0] for command in lint_commands()}
    assert "https://" not in hooks


def test_only_scenes_and_models_are_large() -> None:
    large = [
        str(path)
        for file in tracked()
        if (path := file.relative_to(REPOSITORY)).parts[0] not in LARGE_FILES_ALLOWED
        and file.stat().st_size > MAX_BYTES
    ]
    assert not large


def test_the_sample_scenes_stay_small_together() -> None:
    size = sum(file.stat().st_size for file in (REPOSITORY / "sample_scenes").rglob("*") if file.is_file())
    assert size < 8_000_000


def test_nothing_unpickles_or_runs_code_from_files() -> None:
    found = [
        f"{file.relative_to(REPOSITORY)}:{node.lineno}"
        for room in (*CODE, "scripts")
        for file in (REPOSITORY / room).rglob("*.py")
        if file.relative_to(REPOSITORY) != OPENS_PICKLES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call) and runs_what_a_file_says(node)
    ]
    assert not found


def runs_what_a_file_says(node: ast.Import | ast.ImportFrom | ast.Call) -> bool:
    match node:
        case ast.Import(names=names):
            return any(one.name.split(".")[0] in UNSAFE_MODULES for one in names)
        case ast.ImportFrom(module=module):
            return (module or "").split(".")[0] in UNSAFE_MODULES
        case ast.Call(func=ast.Name(id="exec"), args=[ast.Constant(value="")]):
            return False
        case ast.Call(func=ast.Name(id="eval" | "exec")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="load")):
            return True
    return any(one.arg == "shell" for one in node.keywords)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval(x)",
        "exec(x)",
        "torch.load(x)",
        "subprocess.run(x, shell=True)",
    ],
)
def test_that_test_would_see_it(source: str) -> None:
    nodes = ast.walk(ast.parse(source))
    assert any(
        runs_what_a_file_says(n) for n in nodes if isinstance(n, ast.Import | ast.ImportFrom | ast.Call)
    )


def test_links_in_the_documents_lead_somewhere() -> None:
    broken = []
    for page in (REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *(REPOSITORY / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            file, _, heading = target.partition("#")
            if file.startswith("http"):
                continue
            place = page if not file else (page.parent / file)
            if not place.exists() or (heading and heading not in _anchors(place)):
                broken.append(f"{page.name}: {target}")
    assert not broken


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_make_app_serves_the_web_app() -> None:
    done = subprocess.run(["make", "-n", "app"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "geo-xmodal serve" in done.stdout.splitlines()[-1]
