"""The methods' options as fields of a form: which are basic, how each is asked for, and what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from geo_xmodal.errors import UsageError
from geo_xmodal_app.texts import literal

BASIC = ("epochs", "learning_rate", "correlation_weight", "teachers", "cost", "components", "balance")
"""Options that are asked for first, where a method has them."""

_COLUMNS = 3


def ask_options(options: type[BaseModel], prefix: str) -> dict[str, str]:
    """Fields for every option of a method; the settings that differ from the defaults.

    Args:
        options: The method's pydantic model.
        prefix: Of the widgets' keys, so that another method has its own.
    """
    fields = options.model_fields
    basic = [name for name in BASIC if name in fields] or list(fields)[:3]
    settings = _fields({name: fields[name] for name in basic}, prefix)
    rest = {name: field for name, field in fields.items() if name not in basic}
    if rest:
        with st.expander(f"More options ({len(rest)})"):
            settings |= _fields(rest, prefix)
    return settings


def check_options(options: type[BaseModel], settings: Mapping[str, str]) -> None:
    """See that settings can be, together too.

    Raises:
        UsageError: One cannot; one line.
    """
    try:
        options.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{where}: {message}" if where else message) from None


def _fields(fields: Mapping[str, FieldInfo], prefix: str) -> dict[str, str]:
    settings = {}
    columns = st.columns(_COLUMNS)
    for number, (name, field) in enumerate(fields.items()):
        default = field.get_default(call_default_factory=True)
        with columns[number % _COLUMNS]:
            value = _ask(name, field, default, f"{prefix}-{name}")
        if value != default:
            settings[name] = as_setting(value)
    return settings


def _ask(name: str, field: FieldInfo, default: Any, key: str) -> Any:
    label, words = name.replace("_", " "), literal(field.description or "")
    kind = field.annotation
    if get_origin(kind) is Literal:
        choices = list(get_args(kind))
        return st.selectbox(label, choices, index=choices.index(default), help=words, key=key)
    if kind is bool:
        return st.toggle(label, value=bool(default), help=words, key=key)
    low, high = _bounds(field)
    if kind is int:
        low, high = (None if bound is None else int(bound) for bound in (low, high))
        return int(st.number_input(label, low, high, int(default), step=1, help=words, key=key))
    if kind is float:
        return float(
            st.number_input(
                label, low, high, float(default), step=_step(default), format="%.6g", help=words, key=key
            )
        )
    shown = as_setting(default)
    text = str(st.text_input(label, shown, help=words, key=key)).strip()
    return default if text == shown else text


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    low = high = None
    for constraint in field.metadata:
        for name in ("ge", "gt"):
            low = getattr(constraint, name, low) if getattr(constraint, name, None) is not None else low
        for name in ("le", "lt"):
            high = getattr(constraint, name, high) if getattr(constraint, name, None) is not None else high
    return (None if low is None else float(low)), (None if high is None else float(high))


def _step(default: float) -> float:
    return float(f"{abs(default) / 10:.0e}") or 0.1


def as_setting(value: Any) -> str:
    """A value as `--set key=value` takes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)
