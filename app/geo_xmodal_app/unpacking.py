"""A model that comes as a zip: two files, taken out by hand and checked in a process of their own."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from geo_xmodal.errors import BundleError
from geo_xmodal.outputs import new_folder
from geo_xmodal.zip_files import ZipKind, check_entry, opened_zip, plain_files, unpack_entry

WEIGHTS, CARD = "model.safetensors", "card.json"
MAX_BYTES = {WEIGHTS: 4 << 30, CARD: 4 << 20}
"""What `geo_xmodal.load_bundle` reads at most."""

_ZIP = ZipKind(f"{WEIGHTS} and {CARD}", BundleError, max_entries=16, max_contents=1 << 16, max_ratio=200)
"""Weights and cards shrink by less than ten."""
_SECONDS = 600

_CHECK = """
import sys
from pathlib import Path
import geo_xmodal as gx
try:
    gx.load_bundle(Path(sys.argv[1]))
except gx.GeoXmodalError as error:
    sys.exit(str(error))
"""


def unpack_bundle(archive: Path, out: Path, name: str) -> None:
    """Unpack and check a model; `out` appears whole and checked, or not at all.

    Args:
        archive: A zip with model.safetensors and card.json, at its top or in one folder.
        out: The bundle folder.
        name: What the file is called in messages.

    Raises:
        BundleError: It is no such zip, or no model that can be loaded.
    """
    try:
        with opened_zip(archive, _ZIP) as opened, new_folder(out) as beside:
            for file, entry in _wanted(opened).items():
                unpack_entry(opened, entry, beside / file, _ZIP)
            _check_model(beside, out)
    except BundleError as error:
        raise BundleError(f"{name}: {error}") from None


def _wanted(opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The two files of a model."""
    found: dict[str, zipfile.ZipInfo] = {}
    for path, entry in plain_files(opened, _ZIP):
        if path.name not in MAX_BYTES or len(path.parts) > 2 or path.name in found:
            raise BundleError(f"the zip holds {entry.filename[:80]!r}, expected {WEIGHTS} and {CARD} alone")
        check_entry(entry, MAX_BYTES[path.name], _ZIP, "a model")
        found[path.name] = entry
    missing = [file for file in MAX_BYTES if file not in found]
    if missing:
        raise BundleError(f"the zip holds no {missing[0]}: pack {WEIGHTS} and {CARD} of a model folder")
    return found


def _check_model(folder: Path, out: Path) -> None:
    """In a process of its own: the server keeps neither PyTorch nor four gigabytes of weights."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHECK, str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BundleError(f"checking it took more than {_SECONDS} seconds") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it cannot be loaded"])[-1]
        raise BundleError(last.replace(f"{folder}/", "").replace(str(folder), "the model"))
