"""A word when a job ends, for who looks at another tab: in the title of this one, and as a notification.

The browser itself shows both; it is asked for permission once a button is pressed, and asks no server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

_JS = Path(__file__).with_name("bell.js")
_HTML = '<button type="button" hidden>Notify me when it ends</button>'
_CSS = """
button { font: inherit; color: inherit; background: none; border: 1px solid currentColor;
  border-radius: 0.5rem; padding: 0.25rem 0.75rem; cursor: pointer; }
button:focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
"""
_ENDED = "geo_xmodal ended job"


def offer_word(key: str) -> None:
    """A button that lets the browser notify, while a job waits or runs; nothing where it is settled."""
    _mount(key=f"bell-{key}", data={"waits": True, "ended": "", "id": key})


def keep_word(key: str, words: str) -> None:
    """Have the next run of the page say that a job has ended."""
    st.session_state[_ENDED] = (key, words)


def say_word() -> None:
    """Say what was kept, if something was."""
    key, words = st.session_state.pop(_ENDED, ("", ""))
    if words:
        _mount(key=f"ended-{key}", data={"waits": False, "ended": words, "id": key})


def _mount(**arguments: Any) -> None:
    """Registered at each call, as Streamlit forgets components when its runtime starts again."""
    bell = st.components.v2.component(
        "geo_xmodal_bell", html=_HTML, css=_CSS, js=_JS.read_text(encoding="utf-8")
    )
    bell(**arguments)
