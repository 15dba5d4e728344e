"""What a page says while copies for the viewer are made, and that it runs again when there are more."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from geo_xmodal_app.layers import Prepared
from geo_xmodal_app.messages import note, said_in_words
from geo_xmodal_app.texts import literal

_POLL = 1.0


def show_waiting(shown: Prepared, again: Callable[[], Prepared]) -> None:
    """Say what cannot be shown, and how far the copies are.

    Args:
        shown: What can be shown by now.
        again: Looks anew; it draws no fields.
    """
    for line in shown.problems:
        note(line)
    if not shown.waiting:
        return

    @st.fragment(run_every=_POLL)
    def wait() -> None:
        now = Prepared()
        with said_in_words():
            now = again()
        if len(now.waiting) < len(shown.waiting):
            st.rerun()
        for title, share in now.waiting:
            st.progress(share, text=f"Preparing {literal(title)} for the viewer")

    wait()
