"""Project: what a session has made, named and noted, side by side; who else may look; the way back in."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import streamlit as st

from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal.wording import size_words
from geo_xmodal_app import keys, navigation, workspace
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.links import links_to, make_link, withdraw
from geo_xmodal_app.measures import FILE, MEASURES, run_metrics
from geo_xmodal_app.messages import problem
from geo_xmodal_app.parts import choose, heading, job_of, removal, state_words
from geo_xmodal_app.quotas import folder_bytes
from geo_xmodal_app.remarks import Remark, keep_remark, remark
from geo_xmodal_app.sessions import current_session
from geo_xmodal_app.settings import settings

_MAX_COMPARED = 8


@dataclass(frozen=True)
class _Thing:
    """A run or a map.

    Attributes:
        id: `run:...` or `map:...`, unique among both.
        item: Its folder.
        result: Folder of what its job writes.
        finished: Whether it is there.
        said: Its name, its note and its date.
        about: What was asked.
    """

    id: str
    item: Path
    result: Path
    finished: bool
    said: Remark
    about: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """`run` or `map`."""
        return self.id.partition(":")[0]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.said.name or self.item.name

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """Measures of a run (the mean of its repetitions), of a map those of its latest validation."""
        pattern = FILE if self.kind == "run" else f"*/*/{FILE}"
        files = sorted(self.result.glob(pattern), key=lambda path: path.stat().st_mtime)
        if not files or not self.finished:
            return {}
        try:
            measured = run_metrics(files[-1].parent)
        except UsageError:
            return {}
        mean = measured.get("mean", measured)
        return mean if isinstance(mean, Mapping) else {}


def show() -> None:
    """Show the page."""
    heading("Project", "Your runs and maps: names, notes, accuracy and sizes; who else may look at a map.")
    try:
        session = current_session()
        things = {one.id: one for one in _things(session)}
        if things:
            _table(session, tuple(things.values()))
            labels = {id_: f"{one.name} ({one.kind})" for id_, one in things.items()}
            picked = choose("project", "Name, note, link or removal of", labels, "item")
            if picked is not None:
                _one(session, things[picked])
            _side_by_side([one for one in things.values() if one.kind == "run" and one.finished])
        else:
            st.info("Nothing yet: train a model or make a map.", icon=":material/folder_open:")
        if not settings().user_header:
            _way_back(session)
    except GeoXmodalError as error:
        problem(error)


def _things(session: str) -> tuple[_Thing, ...]:
    runs = (
        _Thing(
            f"run:{one.id}", one.folder.parent, one.folder, one.finished, remark(one.folder.parent), one.about
        )
        for one in workspace.runs(session)
    )
    maps = (
        _Thing(f"map:{one.id}", one.folder, one.folder, one.finished, remark(one.folder), one.about)
        for one in workspace.maps(session)
    )
    return (*runs, *maps)


def _table(session: str, things: Sequence[_Thing]) -> None:
    rows = []
    for one in things:
        accuracy = one.metrics.get("oa")
        rows.append(
            {
                "name": one.name,
                "kind": one.kind + state_words(session, one.result, one.finished),
                "made": datetime.datetime.fromtimestamp(
                    (one.item / workspace.ABOUT).stat().st_mtime, datetime.UTC
                ),
                "date of the image": one.said.date,
                "overall accuracy": None if accuracy is None else 100 * accuracy,
                "size": size_words(folder_bytes(one.item)),
                "note": one.said.note,
            }
        )
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config={
            "made": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "overall accuracy": st.column_config.NumberColumn(
                format="%.1f %%", help="Of a run on its test pixels, of a map by its latest validation."
            ),
        },
    )


def _one(session: str, one: _Thing) -> None:
    with st.container(border=True):
        form = Form("project", one.id)
        left, right = st.columns(2)
        name = form.ask(Field("name", "text", "Name", one.said.name), left, placeholder=one.item.name)
        date = ""
        if one.kind == "map":
            known = "" if one.said.date is None else one.said.date.isoformat()
            date = form.ask(
                Field("date", "text", "Date of the image", known, help="Orders the maps of a time series."),
                right,
                placeholder="2024-05-31",
            )
        note = form.ask(Field("note", "text", "Note", one.said.note))
        columns = st.columns(3)
        if columns[0].button("Save", type="primary", width="stretch", icon=":material/save:"):
            keep_remark(one.item, name, note, date)
            st.rerun()
        page, parameter = ("train", "run") if one.kind == "run" else ("view", "map")
        if columns[1].button(
            "Open", width="stretch", icon=":material/open_in_new:", disabled=not one.finished
        ):
            navigation.go(page, **{parameter: one.item.name})
        with columns[2]:
            removal(session, f"{one.kind}s", one.item, "project", job_of(session, one.result))
        if one.kind == "map" and one.finished:
            _links(session, one.item.name)


def _links(session: str, map_id: str) -> None:
    """Who has a link looks at the map and at nothing else."""
    st.markdown("**Links for others**")
    st.caption(
        "Whoever has the link and may use this server sees this map, its name and its probability, and can "
        "change nothing. It works until you withdraw it."
    )
    for link in links_to(session, map_id):
        words, away = st.columns([5, 1], vertical_alignment="center")
        words.code(_address(f"/shared?link={link.token}"), language=None, wrap_lines=True)
        if away.button("Withdraw", key=f"withdraw-{link.token}", width="stretch"):
            withdraw(link)
            st.rerun()
    if st.button("Make a link", icon=":material/share:"):
        make_link(session, map_id)
        st.rerun()


def _side_by_side(runs: Sequence[_Thing]) -> None:
    if len(runs) < 2:
        return
    st.subheader("Runs side by side", anchor=False)
    labels = {one.id: one.name for one in runs}
    asked = Field("compared", "choices", "Runs", list(labels)[:_MAX_COMPARED], labels)
    picked = Form("project").ask(asked) or []
    rows = []
    for one in runs:
        if one.id in picked:
            measures = {
                words: None if one.metrics.get(key) is None else 100 * one.metrics[key]
                for key, words in MEASURES.items()
            }
            asked_of = {key: str(one.about.get(key, "")) for key in ("method", "scene", "target")}
            row: dict[str, Any] = {"run": one.name}
            rows.append({**row, **measures, **asked_of, "note": one.said.note})
    if rows:
        percent = st.column_config.NumberColumn(format="%.1f %%")
        st.dataframe(
            rows,
            hide_index=True,
            height="content",
            column_config=dict.fromkeys(MEASURES.values(), percent),
        )
        st.caption("Runs on other scenes, splits or labels cannot be compared by these numbers.")


def _way_back(session: str) -> None:
    with st.expander("A way back to these files"):
        st.write(
            "A cookie of this browser leads to your files. A personal link leads to them from any browser, "
            "also after the cookie is lost. Whoever has it can do what you can do here: keep it as you keep "
            "a password."
        )
        words = "Make another link" if keys.has_key(session) else "Make a personal link"
        if st.button(
            words, icon=":material/key:", help="One that was made before leads nowhere from then on."
        ):
            st.code(_address(f"/enter/{keys.new_key(session)}"), language=None, wrap_lines=True)
            st.caption("Copy it now: it is shown this once, and the server does not keep it.")


def _address(path: str) -> str:
    """A path of this server as the browser knows it."""
    parts = (st.context.url or "").split("/")
    return f"{'/'.join(parts[:3])}{path}" if len(parts) > 2 else path
