"""Build the QGIS plugin: one zip, the same bytes from the same sources (`make qgis-plugin`)."""

from __future__ import annotations

import argparse
import configparser
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAME = "geo_xmodal_qgis"
_SUFFIXES = (".py", ".svg", ".md", ".txt", ".json", ".html")
_EARLIEST = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # a zip knows no earlier time; the real one would differ with every checkout


def build(folder: Path) -> Path:
    """Write the zip into `folder`; returns it."""
    metadata = configparser.ConfigParser()
    metadata.read(HERE / NAME / "metadata.txt", encoding="utf-8")
    files = {
        path.relative_to(HERE).as_posix(): path
        for path in (HERE / NAME).rglob("*")
        if path.suffix in _SUFFIXES and "__pycache__" not in path.parts
    }
    files[f"{NAME}/LICENSE"] = HERE.parents[1] / "LICENSE"
    out = folder / f"{NAME}-{metadata['general']['version']}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.partial")
    with zipfile.ZipFile(beside, "w") as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # as on Linux, wherever it is built
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    beside.replace(out)
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("dist"), help="where the zip goes")
    print(build(parser.parse_args().folder))
