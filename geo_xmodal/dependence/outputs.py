"""`correlation.json` and `correlation.png`."""

from __future__ import annotations

from pathlib import Path

from geo_xmodal.dependence.chart import draw
from geo_xmodal.dependence.study import Study
from geo_xmodal.outputs import files_together, held, write_json

JSON_NAME = "correlation.json"
PICTURE_NAME = "correlation.png"


def save_study(study: Study, out: Path | str) -> None:
    """Write the study and its picture into a folder.

    Raises:
        OutputError: The folder cannot be written.
    """
    out = Path(out)
    with held(out), files_together(out) as beside:
        # matplotlib's own tag holds its version: it would change the bytes of an unchanged picture
        draw(study).savefig(beside / PICTURE_NAME, format="png", dpi=150, metadata={"Software": None})
        write_json(beside / JSON_NAME, study.as_dict())
