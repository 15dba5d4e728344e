"""Fields of forms: what a session filled in, in one place, keyed by page, thing and field.

A field is described once (`Field`), and every form shows it with `Form.ask`. Until somebody fills it in, it
has its default, whatever that has become. What was filled in stays while other fields change, while the field
is not shown, and while another page is looked at: Streamlit drops the state of what a run does not draw, and
a widget without a key whose default follows its own result undoes every second choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from geo_xmodal_app.texts import literal

FieldKind = Literal["choice", "choices", "flag", "integer", "number", "text", "color"]
Look = Literal["usual", "radio", "buttons", "slider", "checkbox"]

_STATE = "geo_xmodal fields"
_COLUMNS = 3
_MAX_TEXT = 2000


@dataclass(frozen=True)
class Field:
    """One thing that a form asks for.

    Attributes:
        name: Within its form.
        kind: `choice` is one of `choices`, `choices` any of them (a list), `flag` a bool, `integer` and
            `number` lie between `low` and `high`, `color` is `#rrggbb`.
        label: What the page calls it, as Markdown: names from files go through `literal`.
        default: Its value until another is filled in; None leaves it empty, where that may be.
        choices: Value to what is shown.
        low: Least number.
        high: Greatest number.
        step: Between two numbers (default: 1, or a tenth of the default).
        unit: Of a number.
        help: A sentence about it, as plain text.
        expert: Folded away among others of its form.
        empty: A number that may be left out.
    """

    name: str
    kind: FieldKind
    label: str
    default: Any = None
    choices: Mapping[Any, str] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    step: float | None = None
    unit: str = ""
    help: str = ""
    expert: bool = False
    empty: bool = False

    @property
    def start(self) -> Any:
        """The default, of the field's type."""
        if self.default is None or self.kind not in ("integer", "number"):
            return self.default
        return int(self.default) if self.kind == "integer" else float(self.default)

    def takes(self, value: Any) -> bool:
        """Whether the field can hold a value."""
        match self.kind:
            case "choice":
                return value in self.choices
            case "choices":
                return isinstance(value, list) and all(one in self.choices for one in value)
            case "integer" | "number":
                if value is None:
                    return self.empty
                return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return value is not None


class Form:
    """Fields of one thing on a page.

    Args:
        page: The page.
        thing: What the fields are of: a scene, a method, a file. Another thing has its own.
    """

    def __init__(self, page: str, thing: str = "") -> None:
        self._prefix = f"{page}/{thing}"

    def ask(
        self,
        asked: Field,
        place: DeltaGenerator | None = None,
        *,
        look: Look = "usual",
        placeholder: str = "",
        hide_label: bool = False,
        changed: Callable[[], None] | None = None,
    ) -> Any:
        """Show a field; its value.

        Args:
            asked: What is asked for.
            place: Where (default: below what the page has).
            look: How a choice, a flag or a number is shown, where not as usual.
            placeholder: Shown while it is empty.
            hide_label: Where a label beside it says the same; it stays for screen readers.
            changed: Called when somebody fills it in, before the page runs.
        """
        key, filled = self.key(asked.name), _filled()
        if key in filled and asked.takes(filled[key]):
            value = st.session_state.get(key, filled[key])
        else:
            value = asked.start if asked.takes(asked.start) else None
        # set only where it differs: a browser replaces what is being typed by a value that is set
        if key not in st.session_state or st.session_state[key] != value:
            st.session_state[key] = value

        def fill() -> None:
            filled[key] = st.session_state[key]
            if changed is not None:
                changed()

        shared: dict[str, Any] = {
            "key": key,
            "help": literal(asked.help) or None,
            "label_visibility": "collapsed" if hide_label else "visible",
            "on_change": fill,
        }
        return _draw(place or st, asked, look, placeholder, shared)

    def ask_all(
        self, fields: Iterable[Field], columns: int = _COLUMNS, folded: str = "Expert options"
    ) -> dict[str, Any]:
        """Show fields side by side, those for experts folded away; name to value.

        Args:
            fields: In their order.
            columns: How many stand side by side.
            folded: What those for experts are called together.
        """
        listed = list(fields)
        values = self._rows([one for one in listed if not one.expert], columns)
        rest = [one for one in listed if one.expert]
        if rest:
            with st.expander(f"{folded} ({len(rest)})"):
                values |= self._rows(rest, columns)
        return values

    def key(self, name: str) -> str:
        """The key of a field."""
        return f"{self._prefix}/{name}"

    def put(self, name: str, value: Any) -> None:
        """Fill in a field that this run of the page has not shown yet."""
        st.session_state[self.key(name)] = _filled()[self.key(name)] = value

    def value(self, name: str) -> Any:
        """What somebody filled in, shown or not; None where nobody did."""
        return _filled().get(self.key(name))

    def _rows(self, fields: Sequence[Field], columns: int) -> dict[str, Any]:
        places = st.columns(columns, vertical_alignment="bottom") if fields else []
        return {one.name: self.ask(one, places[n % columns]) for n, one in enumerate(fields)}


def _filled() -> dict[str, Any]:
    """What was filled in, by key."""
    filled: dict[str, Any] = st.session_state.setdefault(_STATE, {})
    return filled


def _draw(place: Any, asked: Field, look: Look, placeholder: str, shared: dict[str, Any]) -> Any:
    label = asked.label + (f", {asked.unit}" if asked.unit else "")
    empty = {"placeholder": placeholder} if placeholder else {}
    match asked.kind:
        case "choice" | "choices":
            return _draw_choice(place, asked, look, label, empty, shared)
        case "flag":
            return (place.checkbox if look == "checkbox" else place.toggle)(label, **shared)
        case "integer" | "number":
            return _draw_number(place, asked, look, label, empty, shared)
        case "color":
            return place.color_picker(label, **shared)
    return place.text_input(label, max_chars=_MAX_TEXT, **empty, **shared).strip()


def _draw_choice(
    place: Any, asked: Field, look: Look, label: str, empty: dict[str, str], shared: dict[str, Any]
) -> Any:
    values, titles = list(asked.choices), asked.choices
    common = {"format_func": lambda value: titles[value], **shared}
    if asked.kind == "choices":
        return place.multiselect(label, values, **empty, **common)
    if look == "radio":
        return place.radio(label, values, horizontal=True, **common)
    if look == "buttons":
        return place.segmented_control(label, values, required=True, **common)
    chosen = st.session_state[shared["key"]] is not None
    return place.selectbox(label, values, index=0 if chosen else None, **empty, **common)


def _draw_number(
    place: Any, asked: Field, look: Look, label: str, empty: dict[str, str], shared: dict[str, Any]
) -> Any:
    number: type[int] | type[float] = int if asked.kind == "integer" else float
    low, high = (None if bound is None else number(bound) for bound in (asked.low, asked.high))
    step = number(asked.step or _step(asked))
    if look == "slider":
        return place.slider(label, low, high, step=step, **shared)
    shown = {} if number is int else {"format": "%.6g"}
    start: Any = {"value": None} if asked.empty else {}
    return place.number_input(label, low, high, step=step, **start, **shown, **empty, **shared)


def _step(asked: Field) -> float:
    if asked.kind == "integer" or not asked.default:
        return 1 if asked.kind == "integer" else 0.1
    return float(f"{abs(asked.default) / 10:.0e}") or 0.1
