"""What a page says of what is wrong or doubtful; of faults of the program too, in our own words."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from geo_xmodal.errors import GeoXmodalError
from geo_xmodal.named_options import NamedOption, worded
from geo_xmodal_app.texts import literal, plain

_LOG = logging.getLogger(__name__)


def problem(
    error: Exception | str,
    names: Mapping[Path, str] | None = None,
    fields: Mapping[str, str] | None = None,
) -> None:
    """One clear line of what is wrong; no path of the server, no markup from files.

    Args:
        error: What is wrong.
        names: Path of a file to what the user calls it.
        fields: Name of an option, or `name=value`, to what the page calls it.
    """
    marked = error.marked if isinstance(error, GeoXmodalError) else str(error)

    def called(named: NamedOption) -> str:
        known, one = fields or {}, named.name
        label = known.get(f"{one}={named.value}") or known.get(one) or f"'{one.replace('_', ' ')}'"
        return label if not named.value or f"{one}={named.value}" in known else f"{label}: {named.value}"

    text = worded(marked, called)
    st.error(literal(plain(text, names)), icon=":material/error:")


def note(text: str) -> None:
    """A line of doubt."""
    st.warning(literal(plain(text)), icon=":material/info:")


@contextmanager
def said_in_words() -> Iterator[None]:
    """Say what goes wrong inside; the log of the server has the rest under the number that the page shows."""
    try:
        yield
    except GeoXmodalError as error:
        problem(error)
    except Exception:  # whatever it is, the page says so itself
        number = secrets.token_hex(4)
        _LOG.exception("fault %s", number)
        st.error(
            f"This page could not be made: a fault of the program, number **{number}**. Your files are as "
            "they were. Load the page again; if it comes back, give this number to whoever runs this server: "
            "the server's log says under it what happened.",
            icon=":material/error:",
        )
