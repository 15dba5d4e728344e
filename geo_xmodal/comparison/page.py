"""The comparison as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geo_xmodal.accuracy.report.page import page_environment
from geo_xmodal.accuracy.report.pictures import png_uri
from geo_xmodal.comparison.tables import Table, means_title, over_what, parts_of

PICTURES = (
    "accuracy.png", "accuracy-equal.png", "gains.png", "maps.png", "features.png", "ablation-features.png",
    "noise.png",
)  # fmt: skip


def render_page(
    comparison: Mapping[str, Any],
    main: Sequence[Table],
    by_scene: Table | None,
    ablation: Sequence[Table],
    out: Path,
) -> str:
    """The page, with those of the pictures in `out` that this comparison wrote."""
    return page_environment(__package__).get_template("page.html").render(
        comparison=comparison,
        tables=main,
        means=[means_title(one) for one in parts_of(comparison)],
        by_scene=by_scene,
        over_what=over_what(comparison),
        ablation=ablation,
        transductive=any(one["transductive"] for one in comparison["methods"].values()),
        pictures={
            name: png_uri((out / name).read_bytes()) if name in comparison["files"] else ""
            for name in PICTURES
        },
    )  # fmt: skip
