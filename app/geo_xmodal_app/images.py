"""Small pictures on a page, each with words for those who do not see it.

They travel inside the page, which only its session gets: Streamlit's own images lie at an address that any
session may read.
"""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import streamlit as st
from PIL import Image

_MAX_BYTES = 8 << 20


def show_image(picture: Image.Image | Path, words: str, width: int) -> None:
    """Show a picture.

    Args:
        picture: It, or the PNG file that holds it.
        words: What it shows, for screen readers.
        width: Pixels of the screen at most.
    """
    if isinstance(picture, Path):
        if picture.stat().st_size > _MAX_BYTES:
            st.caption("The picture is large: download it to see it.")
            return
        content = picture.read_bytes()
    else:
        file = io.BytesIO()
        picture.save(file, "PNG")
        content = file.getvalue()
    address = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    st.html(f'<img src="{address}" alt="{html.escape(words)}" style="max-width: 100%; width: {width}px">')
