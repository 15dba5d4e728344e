"""Values of labels merged and renamed: a table of values and the classes that they become."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path

from geo_xmodal.errors import LabelError
from geo_xmodal.raster import DELIMITERS, LabelValues, first_spellings, name_key, number_of
from geo_xmodal.small_files import SmallFile, file_errors, read_text, shortened

Reclass = Mapping[str, str]
"""Value in the labels (as text) to the name or id of its class; empty for a value that is no label."""

_FILE = SmallFile(
    "a CSV of values and classes, two columns, the first line their names",
    LabelError,
    "write it again",
    1 << 20,
)


def read_reclass(path: Path | str) -> dict[str, str]:
    """A table of values and classes from a CSV of two columns; the first line names them.

    Raises:
        LabelError: It is no such table, or a value comes twice.
    """
    path = Path(path)
    text = read_text(path, _FILE)
    delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
    with file_errors(path, _FILE, csv.Error):
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if row]
    table: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if len(row) != 2:
            raise _FILE.refuse(path, f"line {number} has {len(row)} values")
        value, name = (part.strip() for part in row)
        if value in table:
            raise _FILE.refuse(path, f"value {shortened(repr(value))} comes twice")
        table[value] = name
    if not table:
        raise _FILE.refuse(path, "holds no values")
    return table


def reclassed(survey: LabelValues, table: Reclass) -> tuple[LabelValues, dict[str, str]]:
    """What a label file holds once its values are other classes, and the class of each value that is a label.

    Values that become one class are told as spellings of it. A value that the table gives a class is a
    label, also 0; one that it gives none is unlabelled.
    """
    wanted = {name_key(value): name for value, name in table.items()}
    counts, unlabelled = dict(survey.counts), dict(survey.unlabelled)
    for value in [*counts, *unlabelled]:
        name = wanted.get(name_key(value))
        if name is None:
            continue
        kept, other = (counts, unlabelled) if name else (unlabelled, counts)
        if value in other:
            kept[value] = other.pop(value)
    counts = dict(sorted(counts.items(), key=lambda one: (number_of(one[0]), one[0])))
    spelled = first_spellings(wanted.get(name_key(value)) or value for value in counts)
    first = {name_key(name): name for name in spelled}
    names = {value: first[name_key(wanted.get(name_key(value)) or value)] for value in counts}
    merged = {name: tuple(value for value in names if names[value] == name) for name in first.values()}
    several = {name: values for name, values in merged.items() if len(values) > 1}
    spellings = {**survey.spellings, **several}
    return dataclasses.replace(survey, counts=counts, unlabelled=unlabelled, spellings=spellings), names


def check_reclass(table: Reclass, surveys: Mapping[str, LabelValues]) -> None:
    """See that every value of a table is in one of the label files.

    Raises:
        LabelError: One is in none: a slip of the pen, or the wrong file.
    """
    known = {name_key(value) for one in surveys.values() for value in (*one.counts, *one.unlabelled)}
    missing = [value for value in table if name_key(value) not in known]
    if missing:
        values = [value for one in surveys.values() for value in one.counts]
        listed = ", ".join(shortened(value) for value in dict.fromkeys(values))
        raise LabelError(
            f"{', '.join(surveys)}: no value {shortened(repr(missing[0]))}, which is to become class "
            f"{shortened(repr(table[missing[0]]))}; the values are {listed}"
        )
