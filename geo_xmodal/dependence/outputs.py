"""A study of correlation in a folder: numbers as JSON, and a figure beside them."""

from __future__ import annotations

from pathlib import Path

from geo_xmodal.accuracy.report.figures import save_figure
from geo_xmodal.dependence.benchmark_charts import draw_timing, draw_two_views
from geo_xmodal.dependence.chart import draw
from geo_xmodal.dependence.study import Study
from geo_xmodal.dependence.timing import TimingStudy
from geo_xmodal.dependence.two_views import TwoViewStudy
from geo_xmodal.outputs import files_together, held, write_json


def save_study(study: Study | TwoViewStudy | TimingStudy, out: Path | str) -> None:
    """Write the study and its figure into a folder.

    Raises:
        OutputError: The folder cannot be written.
    """
    out, name = Path(out), study.file_name
    with held(out), files_together(out) as beside:
        if isinstance(study, Study):
            made = draw(study)
        elif isinstance(study, TwoViewStudy):
            made = draw_two_views(study)
        else:
            made = draw_timing(study)
        save_figure(made, beside / f"{name}.png")
        write_json(beside / f"{name}.json", study.as_dict())
