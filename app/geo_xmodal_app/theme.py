"""How the app looks: colours and type as Streamlit's options, and the icon of the browser's tab."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw

THEME: dict[str, Any] = {
    "theme.baseRadius": "6px",
    "theme.baseFontSize": 15,
    "theme.headingFontSizes": ["1.75rem", "1.4rem", "1.2rem", "1.1rem", "1rem", "1rem"],
    "theme.headingFontWeights": [600],
    "theme.light.primaryColor": "#1f6f5c",
    "theme.light.textColor": "#22282f",
    "theme.light.secondaryBackgroundColor": "#f3f5f4",
    "theme.light.borderColor": "#d6dbd8",
    "theme.light.linkColor": "#1f6f5c",
    "theme.dark.primaryColor": "#2a7f6a",
    "theme.dark.backgroundColor": "#14181b",
    "theme.dark.textColor": "#e4e8ea",
    "theme.dark.secondaryBackgroundColor": "#22282d",
    "theme.dark.borderColor": "#434b52",
    "theme.dark.linkColor": "#6fcbb2",
}
"""Options of Streamlit. With no `theme.base`, a page is light or dark as the browser asks for."""

STYLE = """<style>
.stMainBlockContainer { padding-top: 4.4rem; padding-bottom: 2rem; max-width: 1500px; }
[data-testid="stCaptionContainer"] { opacity: 1; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] * {
  color: light-dark(#4a545d, #b4bdc4);
}
[data-testid="stElementToolbar"] {
  top: 2px; right: 2px; background: light-dark(#ffffff, #14181b); border-radius: 6px;
}
[data-variant="segmented_control"][data-selected="true"] * { color: light-dark(#1f6f5c, #6fcbb2); }
:is(button, a, summary, input, main):focus-visible {
  outline: 3px solid light-dark(#0b5cad, #7db8f5) !important; outline-offset: 2px;
}
main:focus-visible { outline-offset: -3px; }
</style>"""
"""Streamlit leaves a fifth of a laptop's screen empty above a page, writes captions in a grey that is hard to
read, lays the tools of a table over the button above it, hardly shows what has the focus, and writes what is
chosen of a dark page in the colour that suits a button's ground."""

_FIELDS = (((0, 0, 37, 37), "#1b7837"), ((39, 0, 63, 63), "#2c7fb8"), ((0, 39, 37, 63), "#f4c95d"))


def icon() -> Image.Image:
    """A map of three fields."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    for box, color in _FIELDS:
        draw.rounded_rectangle(box, 8, fill=color)
    return picture
