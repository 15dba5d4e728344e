"""The script that Streamlit runs: which pages there are."""

from __future__ import annotations

import streamlit as st

from geo_xmodal_app.bell import say_word
from geo_xmodal_app.messages import said_in_words
from geo_xmodal_app.navigation import pages
from geo_xmodal_app.theme import STYLE, icon

st.set_page_config(page_title="geo_xmodal", page_icon=icon(), layout="wide")
st.html(STYLE)
with said_in_words():
    st.navigation(pages(), position="top").run()
    say_word()
