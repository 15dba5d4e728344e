"""Folders as one file to download, written on the server's disk."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from geo_xmodal.outputs import new_file


def zip_files(files: Sequence[tuple[Path, str]], out: Path) -> Path:
    """Put files into a zip, uncompressed: rasters are compressed already.

    Args:
        files: File, and its name in the zip.
        out: The zip; kept if it is newer than all files.

    Raises:
        OutputError: It cannot be written.
    """
    newest = max(path.stat().st_mtime for path, _ in files)
    if not out.is_file() or out.stat().st_mtime < newest:
        with new_file(out) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as archive:
            for path, name in files:
                archive.write(path, name)
    return out


def zip_folder(folder: Path, out: Path) -> Path:
    """A folder as a zip that unpacks to one folder.

    Raises:
        OutputError: It cannot be written.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return zip_files(
        [(path, (Path(folder.name) / path.relative_to(folder)).as_posix()) for path in files], out
    )
