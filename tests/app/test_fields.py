"""What is filled in stays: every kind of field, a second and a third time, and while it is not shown."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from geo_xmodal_app.fields import Field

_FORM = """
import streamlit as st
from geo_xmodal_app.fields import Field, Form
form = Form("page", st.text_input("thing", "one", key="thing"))
letters = {one: one.upper() for one in "abc"}
fields = [
    Field("list", "choice", "list", form.value("list") or "a", letters),
    Field("radio", "choice", "radio", form.value("radio") or "a", letters),
    Field("many", "choices", "many", form.value("many") or ["a"], letters),
    Field("flag", "flag", "flag", bool(form.value("flag"))),
    Field("count", "integer", "count", form.value("count") or 1, low=1, high=9),
    Field("share", "number", "share", form.value("share") or 0.5, low=0.0, high=1.0),
    Field("name", "text", "name", form.value("name") or ""),
]
if not st.checkbox("hide", key="hide"):
    st.json({one.name: form.ask(one, look="radio" if one.name == "radio" else "usual") for one in fields})
"""


def shown(page: AppTest) -> object:
    return json.loads(page.json[0].value)


def test_what_is_filled_in_stays_although_defaults_follow_it() -> None:
    page = AppTest.from_string(_FORM).run()
    for letter, count, share, name in (("b", 2, 0.25, "x"), ("c", 3, 0.75, "y"), ("a", 4, 1.0, "z")):
        for kind, number, value in (
            ("selectbox", 0, letter),
            ("radio", 0, letter),
            ("multiselect", 0, [letter]),
            ("number_input", 0, count),
            ("number_input", 1, share),
            ("text_input", 1, name),
        ):
            getattr(page, kind)[number].set_value(value)
            page.run()
            assert not page.exception and not page.warning
        wanted = {"list": letter, "radio": letter, "many": [letter], "flag": False}
        assert shown(page) == wanted | {"count": count, "share": share, "name": name}


def test_what_nobody_filled_in_follows_its_default() -> None:
    page = AppTest.from_string("""
import streamlit as st
from geo_xmodal_app.fields import Field, Form
letters = {one: one for one in "abc"}
st.text(Form("page").ask(Field("list", "choice", "list", st.text_input("default", "a"), letters)))
""").run()
    page.text_input[0].set_value("b").run()
    assert page.text[0].value == "b"
    page.selectbox[0].select("c").run()
    page.text_input[0].set_value("a").run()
    assert page.text[0].value == "c"


def test_what_is_filled_in_comes_back_with_its_thing() -> None:
    page = AppTest.from_string(_FORM).run()
    page.selectbox[0].select("c").run()
    page.text_input[0].set_value("two").run()
    assert shown(page)["list"] == "a"  # type: ignore[index]
    page.checkbox[0].check().run()
    assert not page.selectbox
    page.checkbox[0].uncheck().run()
    page.text_input[0].set_value("one").run()
    assert shown(page)["list"] == "c"  # type: ignore[index]


def test_what_is_being_typed_is_not_replaced() -> None:
    """A browser drops what is typed and not yet sent where the server sets a value."""
    page = AppTest.from_string(_FORM).run()
    page.text_input[1].set_value("x").run()
    kinds = ("selectbox", "radio", "multiselect", "toggle", "number_input", "text_input")
    fields = [one for kind in kinds for one in getattr(page, kind)]
    assert len(fields) == 8
    assert not [one.label for one in fields if one.proto.set_value]


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (Field("f", "choice", "f", choices={"a": "A"}), "a", "b"),
        (Field("f", "choices", "f", choices={"a": "A"}), ["a"], ["a", "b"]),
        (Field("f", "integer", "f", low=1, high=3), 3, 4),
        (Field("f", "number", "f", low=0.0), 0.0, -0.1),
        (Field("f", "integer", "f", low=1, empty=True), None, 0),
    ],
)
def test_a_field_takes_what_it_offers(field: Field, good: object, bad: object) -> None:
    assert field.takes(good) and not field.takes(bad)


def test_a_choice_that_is_offered_no_more_becomes_the_default() -> None:
    page = AppTest.from_string("""
import streamlit as st
from geo_xmodal_app.fields import Field, Form
offered = {"a": "A", "b": "B"} if not st.checkbox("fewer") else {"a": "A"}
st.text(Form("page").ask(Field("list", "choice", "list", "a", offered)))
""").run()
    page.selectbox[0].select("b").run()
    page.checkbox[0].check().run()
    assert page.text[0].value == "a" and not page.exception
