from __future__ import annotations

import csv
from pathlib import Path

from geo_xmodal_app.area_tables import write_areas


def test_areas_come_back_as_they_were_and_names_compute_nothing(tmp_path: Path) -> None:
    rows = [
        {"class": 'Wald, "dicht"', "pixels": 3, "hectares": 1 / 3, "percent": 75.0},
        {"class": "=1+1", "pixels": 1, "hectares": None, "percent": None},
    ]
    out = write_areas(rows, tmp_path / "areas.csv")
    with out.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert found[0] == {"class": 'Wald, "dicht"', "pixels": "3", "hectares": "0.3333333333", "percent": "75"}
    assert found[1] == {"class": "'=1+1", "pixels": "1", "hectares": "", "percent": ""}
    before = out.stat().st_mtime_ns
    assert write_areas(rows, out).stat().st_mtime_ns == before
    write_areas(rows[:1], out)
    assert len(out.read_text().splitlines()) == 2
