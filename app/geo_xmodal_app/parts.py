"""What pages share: choices kept in the address, errors in one line, the command that does the same, jobs."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from geo_xmodal.errors import GeoXmodalError
from geo_xmodal.pace import duration
from geo_xmodal.wording import size_words
from geo_xmodal_app import navigation, workspace
from geo_xmodal_app.bell import keep_word, offer_word
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.jobs import Job, queue
from geo_xmodal_app.messages import problem, said_in_words
from geo_xmodal_app.registry import FileKind, registry
from geo_xmodal_app.sessions import current_session, session_folder
from geo_xmodal_app.sources import source_files
from geo_xmodal_app.texts import literal, plain
from geo_xmodal_app.uploads import Purpose, uploads
from geo_xmodal_app.workspace import SceneEntry

T = TypeVar("T")

REFRESH = 1.0
"""Seconds between two looks at a job that runs."""

ORIGINS = {"sample": "sample", "data": "data folder", "yours": "yours", "shipped": "comes with geo_xmodal"}

_STATES = {
    "queued": "Waiting",
    "running": "Running",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "interrupted": "Interrupted",
}


def heading(title: str, text: str) -> None:
    """The top of a page."""
    st.title(title, anchor=False)
    st.caption(text)


def asked_or_shown(
    page: str,
    thing: str,
    ask: Callable[[str], None],
    find: Callable[[str, str], T | None],
    show: Callable[[str, T], None],
) -> None:
    """The body of a page whose address may name one thing: that one, or what a new one needs.

    Args:
        page: The page's name for `navigation.go`.
        thing: The parameter of the address, which is also the word for it.
        ask: Shows what a new one needs, to a session.
        find: The one of a session by its id, or None.
        show: Shows it.
    """
    try:
        session = current_session()
        wanted = st.query_params.get(thing)
        if wanted is None:
            ask(session)
            return
        found = find(session, wanted)
        if found is None:
            problem(f"there is no {thing} {wanted!r} here; it may have been removed")
            if st.button(f"To the {thing}s"):
                navigation.go(page)
            return
        show(session, found)
    except GeoXmodalError as error:
        problem(error)


def choose(
    page: str,
    label: str,
    options: Mapping[str, str],
    parameter: str,
    *,
    help: str = "",
    empty: str = "Choose ...",
    first: bool = False,
    known: str | None = None,
) -> str | None:
    """A choice that the page's address carries, so that a reload and a second tab show the same.

    An address that names what is not there is said, and nothing else is shown in its place.

    Args:
        page: The page's name for `navigation.go`.
        label: What is chosen.
        options: Id to what is shown.
        parameter: Of the address.
        help: One line about it.
        empty: Shown while nothing is chosen.
        first: While the address names none: what was chosen here before, or the first.
        known: An id that the address may name though it is not among the options.
    """
    form = Form(page)
    current = st.query_params.get(parameter) or None
    if current is None and first and options:
        before = form.value(parameter)
        current = st.query_params[parameter] = before if before in options else next(iter(options))
    if current is not None and current not in options:
        if current != known:
            problem(f"{label}: there is no {current!r} here; it may have been removed")
        current = None
    form.put(parameter, current)

    def changed() -> None:
        picked = form.value(parameter)
        if picked is None:
            st.query_params.pop(parameter, None)
        else:
            st.query_params[parameter] = picked

    asked = Field(parameter, "choice", label, choices=options, help=help)
    picked: str | None = form.ask(asked, placeholder=empty, changed=changed)
    return picked


def ask_layer(
    form: Form, place: DeltaGenerator, layers: Sequence[str], name: str, before: str = ""
) -> str | None:
    """A layer of a vector file that has several, the first at first; None where there is no choice."""
    if len(layers) < 2:
        return None
    default = before if before in layers else layers[0]
    asked = Field(name, "choice", "Layer", default, {one: one for one in layers})
    picked: str = form.ask(asked, place)
    return picked


def scene_label(entry: SceneEntry) -> str:
    """A scene in a list of scenes."""
    return f"{entry.name} ({ORIGINS[entry.origin]}{', simulated' if entry.simulated else ''})"


def shown_command(argv: Sequence[str], session: str, names: Mapping[Path, str] | None = None) -> str:
    """The command line that does the same, with files named as the user knows them."""
    folder = f"{session_folder(session)}/"
    known = {str(path): name for path, name in (names or {}).items()}
    words = []
    for word in argv:
        for path, name in known.items():
            word = word.replace(path, name)
        words.append(plain(word.replace(folder, "")))
    return shlex.join(["geo-xmodal", *words])


def command_line(line: str) -> None:
    """The command line that does the same, to copy."""
    st.caption("The same on the command line")
    show_code(line)


def show_code(line: str) -> None:
    """A command line by itself; in one colour: those that Streamlit has for its parts are hard to read."""
    st.code(line, language=None, wrap_lines=True)


def download(session: str, path: Path, kind: FileKind, label: str, name: str | None = None) -> None:
    """A button that fetches a file from the server's disk; nothing passes through this page."""
    id_ = registry().register(session, path, kind, name)
    st.link_button(label, f"/files/{id_}/download", icon=":material/download:", width="stretch")


def start(session: str, title: str, argv: Sequence[str], folder: Path) -> bool:
    """Queue a job; says why on the page if that cannot be."""
    try:
        queue().submit(session, title, argv, folder)
    except GeoXmodalError as error:
        problem(error)
        return False
    return True


def job_of(session: str, folder: Path) -> Job | None:
    """The latest job that writes to a folder."""
    return next((job for job in queue().jobs(session) if job.folder == folder), None)


def watch(
    session: str, job: Job, draw: Callable[[], None] | None = None, *, dismissible: bool = False
) -> None:
    """A job that is looked at every second while it waits or runs; the page runs again when it has ended.

    Args:
        session: Whose.
        job: As it stands.
        draw: Shows more of it, each time.
        dismissible: Whether it can be removed once it has ended: nothing else of it stays than its lines.
    """
    active = is_active(job)

    @st.fragment(run_every=REFRESH if active else None)
    def panel() -> None:
        now = queue().job(session, job.id)
        if now is None or (active and not is_active(now)):
            if now is not None:
                keep_word(now.id, f"{_STATES[now.state]}: {plain(now.title)}")
            st.rerun()
        with said_in_words():
            _show_job(session, now)
            if active:
                offer_word(job.id)
            if draw is not None:
                draw()
            if dismissible and not is_active(now) and st.button("Dismiss", key=f"dismiss-{job.id}"):
                queue().forget(session, job.id)
                st.rerun()

    panel()


def earlier(title: str, lines: Mapping[str, str], go: Callable[[str], None]) -> None:
    """What was made before, folded away, each with a button that opens it; nothing where there is nothing.

    Args:
        title: Of the list.
        lines: Id to what is said of it, as Markdown.
        go: Opens the one of an id.
    """
    if not lines:
        return
    with st.expander(f"{title} ({len(lines)})"):
        for id_, line in lines.items():
            words, button = st.columns([5, 1], vertical_alignment="center")
            words.markdown(line)
            if button.button("Open", key=f"open-{id_}", width="stretch"):
                go(id_)


def state_words(session: str, folder: Path, finished: bool) -> str:
    """What is said of a thing in a list: how far the job that makes it is; empty for what is finished."""
    if finished:
        return ""
    job = job_of(session, folder)
    return f" · {_STATES['interrupted' if job is None else job.state].lower()}"


def is_active(job: Job) -> bool:
    """Whether it waits or runs."""
    return job.state in ("queued", "running")


def _show_job(session: str, job: Job) -> None:
    with st.container(border=True):
        words, cancel = st.columns([5, 1], vertical_alignment="center")
        words.markdown(f"**{literal(job.title)}** · {_STATES[job.state]} · {_when(job)}")
        if is_active(job):
            with cancel:
                _cancel(session, job)
        if job.state == "queued":
            ahead = "next in the queue" if not job.ahead else f"{job.ahead} before it in the queue"
            st.progress(0.0, text=ahead)
        elif job.state == "running":
            share = job.done / job.total if job.total else 0.0
            st.progress(min(share, 1.0), text=literal(_pace(job)))
        elif job.state == "failed":
            problem(job.doing, {one.path: one.name for one in source_files(session).values()})
        elif job.resumable:
            st.caption("What is finished is kept: resume goes on from there.")
            _resume(session, job)


def _cancel(session: str, job: Job) -> None:
    if st.button("Cancel", key=f"cancel-{job.id}", width="stretch"):
        try:
            queue().cancel(session, job.id)
        except GeoXmodalError as error:
            problem(error)
        st.rerun()


def _resume(session: str, job: Job) -> None:
    """Below the words and to the left: never where the pointer has just cancelled."""
    if st.button("Resume", key=f"resume-{job.id}", type="primary"):
        try:
            queue().resume(session, job.id)
        except GeoXmodalError as error:
            problem(error)
        else:
            st.rerun()


def removal(session: str, room: str, item: Path, back: str, job: Job | None = None) -> None:
    """A button that removes a thing of the session with everything in it, once it is pressed twice.

    Args:
        session: Whose.
        room: `scenes`, `runs` or `maps`.
        item: Its folder.
        back: The page to go to then.
        job: Its latest job, which goes with it; while it waits or runs, nothing can be removed.
    """
    busy = job is not None and is_active(job)
    with st.popover("Remove", icon=":material/delete:", disabled=busy):
        st.write(f"Remove {literal(item.name)} and its files from this server?")
        if st.button("Remove", key=f"remove-{room}-{item.name}", type="primary"):
            for one in queue().jobs(session):
                if one.folder.is_relative_to(item):
                    queue().forget(session, one.id)
            workspace.remove(session, room, item.name)
            navigation.go(back)


def uploaded(session: str, *purposes: Purpose) -> None:
    """The session's uploads for some purposes, each with a button that removes it."""
    for one in uploads().uploads(session):
        if one.purpose in purposes and one.path is not None:
            words, remove = st.columns([5, 1], vertical_alignment="center")
            words.caption(f"{literal(one.name)} · {size_words(one.size)}")
            if remove.button(
                "",
                key=f"remove-upload-{one.id}",
                icon=":material/delete:",
                help=f"Remove {literal(one.name)}",
            ):
                uploads().remove(session, one.id)
                st.rerun()


def _pace(job: Job) -> str:
    parts = [f"{job.done / job.total:.0%}" if job.total else "starting"]
    if job.seconds_left is not None:
        parts.append(f"about {duration(job.seconds_left)} left")
    if job.doing:
        parts.append(plain(job.doing))
    return " · ".join(parts)


def _when(job: Job) -> str:
    if job.started is None:
        return f"asked for {duration(time.time() - job.created)} ago"
    if job.ended is None:
        return f"for {duration(time.time() - job.started)}"
    return f"took {duration(job.ended - job.started)}"
