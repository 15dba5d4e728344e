"""Names from files on a page: as they are, and never markup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from geo_xmodal_app.texts import literal

MARKDOWN = MarkdownIt("commonmark").enable("strikethrough")


@pytest.mark.parametrize("name", ["berlin-hgr_2", "Wald (nass), 50 %", "Forest & wood", "v1.2 / a+b = c"])
def test_a_usual_name_stays_as_it_is_for_screen_readers(name: str) -> None:
    assert literal(name) == name


@given(st.text(st.sampled_from("ab1 -_*`~[]()<>&;#+=.:!|\\$") | st.characters(min_codepoint=32), max_size=12))
def test_no_name_is_markup(name: str) -> None:
    name = "".join(letter if letter.isprintable() else " " for letter in name).strip()
    blocks = MARKDOWN.parse(literal(name))
    assert [one.type for one in blocks] == ["paragraph_open", "inline", "paragraph_close"] * bool(name)
    parts = [part for one in blocks for part in one.children or ()]
    assert {part.type for part in parts} <= {"text"}
    assert "".join(part.content for part in parts) == name


@pytest.mark.parametrize(
    "name", [":material/x:", ":red[x]", "$x$", "http://evil.example", "a -> b", "a -- b"]
)
def test_what_streamlit_adds_to_markdown_is_no_markup_either(name: str) -> None:
    assert "\\" in literal(name)
