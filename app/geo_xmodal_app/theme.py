"""How the app looks: colours and type as Streamlit's options, and the icon of the browser's tab."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw

THEME: dict[str, Any] = {
    "theme.base": "light",
    "theme.primaryColor": "#1f6f5c",
    "theme.textColor": "#22282f",
    "theme.secondaryBackgroundColor": "#f3f5f4",
    "theme.borderColor": "#d6dbd8",
    "theme.linkColor": "#1f6f5c",
    "theme.baseRadius": "6px",
    "theme.baseFontSize": 15,
    "theme.headingFontSizes": ["1.75rem", "1.4rem", "1.2rem", "1.1rem", "1rem", "1rem"],
    "theme.headingFontWeights": [600],
}
"""Options of Streamlit."""

STYLE = """<style>
.stMainBlockContainer { padding-top: 4.4rem; padding-bottom: 2rem; max-width: 1500px; }
[data-testid="stCaptionContainer"] { opacity: 1; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] * { color: #4a545d; }
[data-testid="stElementToolbar"] { top: 2px; right: 2px; background: #ffffff; border-radius: 6px; }
button:focus-visible, a:focus-visible, summary:focus-visible, input:focus-visible {
  outline: 3px solid #0b5cad; outline-offset: 2px;
}
</style>"""
"""Streamlit leaves a fifth of a laptop's screen empty above a page, writes captions in a grey that is hard to
read, lays the tools of a table over the button above it, and hardly shows what has the focus."""

_FIELDS = (((0, 0, 37, 37), "#1b7837"), ((39, 0, 63, 63), "#2c7fb8"), ((0, 39, 37, 63), "#f4c95d"))


def icon() -> Image.Image:
    """A map of three fields."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    for box, color in _FIELDS:
        draw.rounded_rectangle(box, 8, fill=color)
    return picture
