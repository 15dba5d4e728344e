"""`correlation.json` and `correlation.png`."""

from __future__ import annotations

from pathlib import Path

from geo_xmodal.dependence.chart import draw
from geo_xmodal.dependence.study import Study
from geo_xmodal.outputs import new_file, write_json

JSON_NAME = "correlation.json"
PICTURE_NAME = "correlation.png"


def save_study(study: Study, out: Path | str) -> None:
    """Write the study and its picture into a folder.

    Raises:
        OutputError: The folder cannot be written.
    """
    out = Path(out)
    with new_file(out / PICTURE_NAME) as beside:
        # matplotlib's own tag holds its version: it would change the bytes of an unchanged picture
        draw(study).savefig(beside, format="png", dpi=150, metadata={"Software": None})
    write_json(out / JSON_NAME, study.as_dict())
