"""What `info` says of a set of chips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields, table

_SHOWN = 10
"""Problems that are printed; `--json` has all."""


def show_chips(folder: Path, console: Console) -> None:
    """Chips, pairs and labelled pixels of each split, sensors, and what does not fit."""
    chips = gx.open_chips(folder)
    with console.progress() as progress:
        found = gx.survey_chips(chips, progress)
    for problem in found.problems[:_SHOWN]:
        console.warn(f"would be refused: {problem}")
    if len(found.problems) > _SHOWN:
        console.warn(f"and {len(found.problems) - _SHOWN:,} more chips")
    for note in chips.notes:
        console.note(note, "note")
    console.result(
        _content(chips, found),
        fields(
            chips=f"{chips.name} ({'simulated' if chips.simulated else 'real'})",
            folder=folder,
            described_by="chips.toml" if chips.layout is None else f"the known layout {chips.layout}",
            maps_from=chips.target,
            size=" to ".join(dict.fromkeys(f"{rows} x {cols}" for rows, cols in found.sizes)) + " pixels",
        ),
        table(
            "sensor",
            "kind",
            "chips",
            "bands",
            "pixel",
            rows=[
                (name, chips.kind(name), one.chips, len(one.band_names), _pixel(one.pixel))
                for name, one in found.sensors.items()
            ],
        ),
        table(
            "split",
            "chips",
            "with labels",
            "with an auxiliary sensor",
            "opened",
            *(land.name for land in chips.classes),
            rows=[
                (name, one.chips, one.labelled, one.pairs, one.opened, *one.pixels.tolist())
                for name, one in found.splits.items()
            ],
            title="labelled pixels are those of the chips that were opened",
        ),
        f"to train: geo-xmodal train --chips {folder}"
        if "test" in found.splits
        else "no chip tests: training needs some, name them under [splits.test]",
    )


def _content(chips: gx.ChipSet, found: gx.ChipSurvey) -> dict[str, Any]:
    return {
        "type": "chips",
        "name": chips.name,
        "folder": chips.folder,
        "layout": chips.layout,
        "simulated": chips.simulated,
        "target": chips.target,
        "sizes": found.sizes,
        "sensors": {
            name: {
                "kind": chips.kind(name),
                "chips": one.chips,
                "bands": one.band_names,
                "pixel": one.pixel[:2],
                "pixel_unit": one.pixel[2],
            }
            for name, one in found.sensors.items()
        },
        "splits": {
            name: {
                "chips": one.chips,
                "labelled": one.labelled,
                "pairs": one.pairs,
                "opened": one.opened,
                "pixels": {
                    land.name: count for land, count in zip(chips.classes, one.pixels.tolist(), strict=True)
                },
            }
            for name, one in found.splits.items()
        },
        "notes": chips.notes,
        "problems": found.problems,
    }


def _pixel(size: tuple[float, float, str]) -> str:
    rows, cols, unit = size
    return f"{rows:g} x {cols:g} {unit}".rstrip() if unit else "none"
