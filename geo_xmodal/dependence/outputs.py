"""`correlation.json` and `correlation.png`."""

from __future__ import annotations

from pathlib import Path

from geo_xmodal.accuracy.report.figures import save_figure
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
        save_figure(draw(study), beside / PICTURE_NAME)
        write_json(beside / JSON_NAME, study.as_dict())
