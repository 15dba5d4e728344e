"""What was found in files, on a page: a table of grids, a small map, class counts, and doubts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import streamlit as st

from geo_xmodal.wording import size_words
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.images import show_image
from geo_xmodal_app.inspection import LabelFinding, RasterFinding, shared
from geo_xmodal_app.messages import note, problem
from geo_xmodal_app.pictures import OUTLINES, overlap_picture
from geo_xmodal_app.texts import literal, plain

Legend = Sequence[tuple[str, str, str]]
"""Value in the labels, name and colour of each class."""

_PICTURE = 380
_ROWS = 3


def show_findings(
    reference: RasterFinding,
    others: Sequence[RasterFinding],
    labels: Sequence[LabelFinding],
    legend: Legend,
    assumed: Sequence[str] = (),
) -> bool:
    """Show what was found; whether all sensors and labels meet the reference.

    Args:
        reference: The target sensor.
        others: The other sensors.
        labels: Files of labels.
        legend: The classes, in the order of the labels' values.
        assumed: What is taken for granted about the sensors' files, a line each.
    """
    shares, met = {}, True
    for other in others:
        shares[other.name], wrong = shared(reference, other)
        met &= wrong is None
        if wrong is not None:
            problem(wrong)
    picture, meets = overlap_picture(reference, others, labels, legend)
    for found in labels:
        if not meets[found.name]:
            note(f"{found.name}: no label was seen inside {reference.name}")
    for raster in (reference, *others):
        for line in raster.warnings:
            note(f"{raster.name}: {line}")
    show_assumed(assumed)
    left, right = st.columns([3, 2])
    with left:
        st.dataframe(
            [_row(reference, "target", None), *(_row(other, "", shares[other.name]) for other in others)],
            hide_index=True,
            height="content",
        )
        _counts(labels, legend)
    with right:
        words = f"{reference.name} in grey, with the outlines of {len(others)} other sensors and the labels"
        show_image(picture, words, _PICTURE)
        parts = [f"{reference.name} in grey"]
        outlined = zip(others, OUTLINES, strict=False)
        parts += [f":{word}[▢] {literal(other.name)}" for other, (_, word) in outlined]
        parts += ["labels in the colours of their classes"] if labels else []
        st.caption(" · ".join([literal(parts[0]), *parts[1:]]))
    return met


def show_assumed(lines: Sequence[str]) -> None:
    """What is taken for granted about files, a line each."""
    if lines:
        st.info(
            "Taken for granted:\n" + "\n".join(f"- {literal(plain(line))}" for line in lines),
            icon=":material/rule:",
        )


def _row(found: RasterFinding, use: str, share: float | None) -> dict[str, str]:
    info = found.info
    waves = info.wavelengths
    bands = f"{info.count} x {info.dtype}"
    if waves:
        bands += f", {min(waves):.0f} to {max(waves):.0f} nm"
    return {
        "sensor": f"{found.name}{' (target)' if use else ''}",
        "rows x columns": f"{info.height} x {info.width}",
        "pixel": found.pixel,
        "CRS": info.crs if info.crs and len(info.crs) < 24 else ("own" if info.crs else "none"),
        "bands": bands,
        "no data": f"{found.holes:.0%}",
        "data over": "" if share is None else f"{share:.0%} of the target",
        "file": size_words(info.bytes),
    }


def _counts(labels: Sequence[LabelFinding], legend: Legend) -> None:
    if not labels:
        st.caption("No labels: such a scene can be mapped, but not trained on.")
        return
    names = {value: name for value, name, _ in legend}
    total: Counter[str] = Counter()
    for found in labels:
        total.update(found.counts)
    st.dataframe(
        [
            {"class": names.get(value, value)}
            | {f"{found.name} ({found.what})": found.counts.get(value, 0) for found in labels}
            for value in ([value for value, _, _ in legend] or list(total))
        ],
        hide_index=True,
        height="content",
    )


def legend_entries(legend: Legend, counts: Mapping[str, int], form: Form) -> dict[str, tuple[str, str]]:
    """Fields for the name and colour of every class; value to name and colour.

    Args:
        legend: As it stands.
        counts: Of each value, to be shown.
        form: Takes the fields.
    """
    edited = {}
    columns = st.columns(_ROWS)
    for number, (value, name, color) in enumerate(legend):
        with columns[number % _ROWS]:
            swatch, field = st.columns([1, 5], vertical_alignment="bottom")
            picked = form.ask(
                Field(f"color {value}", "color", f"Colour of {literal(value)}", color),
                swatch,
                hide_label=True,
            )
            label = literal(value) + (f" · {counts[value]:,}" if value in counts else "")
            edited[value] = (form.ask(Field(f"name {value}", "text", label, name), field), picked)
    return edited
