"""The tables, as text, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geo_xmodal.accuracy import MEASURES
from geo_xmodal.comparison.request import GAIN_OVER
from geo_xmodal.comparison.summary import TRANSDUCTIVE

DAGGER = "†"
NONE = "–"
NAMES: Mapping[str, str] = {
    "oa": "OA", "aa": "AA", "kappa": "kappa", "miou": "mIoU", "macro_f1": "macro F1",
}  # fmt: skip
"""The measures as papers write them."""

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
    "–": "--", "†": r"$^\dagger$", "Δ": r"$\Delta$", "<": "$<$", ">": "$>$",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Columns with a heading, rows of text, and lines below; `breaks` are rows that start a new part."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    breaks: tuple[int, ...] = ()


def parts_of(comparison: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The comparison as each of its tables has it, by their means."""
    parts = {comparison["means"]: comparison}
    if "equal" in comparison:
        parts["equal"] = {**comparison, **comparison["equal"]}
    return parts


def means_title(means: str) -> str:
    """What the means of a table are, in a few words."""
    return "equal means" if means == "equal" else "as published"


def main_table(comparison: Mapping[str, Any]) -> Table:
    """Methods, then controls: gains over `target_only` and their tests, accuracies, other gains.

    Args:
        comparison: one of `parts_of`.
    """
    methods = comparison["methods"]
    first = [measure for measure in ("oa", "aa") if _gaining(comparison)]
    others = [
        (control, measure)
        for control in control_names(comparison)
        if control != GAIN_OVER
        for measure in ("oa", "aa")
    ]
    rows = [
        (
            marked(name, one["transductive"]),
            *(_gain(one["gain"].get(GAIN_OVER), measure) for measure in first),
            *((_p(one["tests"]), _against(name, one, comparison)) if first else ()),
            *(mean_sd(one, measure) for measure in MEASURES),
            *(_gain(one["gain"].get(control), measure) for control, measure in others),
        )
        for name, one in methods.items()
    ]
    before, after = ("",) * (2 * len(first)), ("",) * len(others)
    beside = [
        (
            f"{marked(one['name'], one['transductive'])} (control of {', '.join(one['of'])})",
            *before,
            *(mean_sd(one, measure) for measure in MEASURES),
            *after,
        )
        for one in comparison["controls"].values()
    ]
    if "ceiling" in comparison:
        one = comparison["ceiling"]
        name = f"ceiling: both sensors at test time ({one['n']:,} of {one['test_pixels']:,} test pixels)"
        beside.append((name, *before, *(mean_sd(one, measure) for measure in MEASURES), *after))
    columns = (
        "method",
        *(f"Δ{NAMES[measure]}" for measure in first),
        *(("p (no gain)", f"p (gain of {comparison['reference']})") if first else ()),
        *(NAMES[measure] for measure in MEASURES),
        *(f"Δ{NAMES[measure]} {control}" for control, measure in others),
    )
    notes = (_units(comparison), *comparison["notes"])
    heading = f"{title(comparison)}; {means_title(comparison['means'])}"
    return Table(heading, columns, (*rows, *beside), notes, (len(rows),))


def _gaining(comparison: Mapping[str, Any]) -> bool:
    """Whether any method has a gain over `target_only`."""
    return GAIN_OVER in control_names(comparison)


def _against(name: str, one: Mapping[str, Any], comparison: Mapping[str, Any]) -> str:
    return "reference" if name == comparison["reference"] else _p(one["tests_reference"])


def scenes_table(comparison: Mapping[str, Any]) -> Table | None:
    """Methods, then controls: accuracies on each scene; None where there is one scene."""
    methods = comparison["methods"]
    tested = next(iter(methods.values())).get("scenes")
    if tested is None:
        return None
    controls = comparison["controls"].values()
    named = [(marked(name, one["transductive"]), one) for name, one in methods.items()]
    named += [
        (f"{marked(one['name'], one['transductive'])} (control of {', '.join(one['of'])})", one)
        for one in controls
    ]
    rows = tuple(
        (name, *(mean_sd(one["scenes"][scene], measure) for scene in tested for measure in ("oa", "aa")))
        for name, one in named
    )
    columns = ("method", *(f"{scene} {NAMES[measure]}" for scene in tested for measure in ("oa", "aa")))
    words = ", ".join(
        f"{name}{' (held out)' if one['held_out'] and 'left_out' not in comparison else ''} {one['n']:,}"
        for name, one in tested.items()
    )
    notes = (f"In percent, mean ± standard deviation over seeds. Test pixels: {words}.",)
    return Table(f"{title(comparison)}; scene by scene", columns, rows, notes, (len(methods),))


def over_what(comparison: Mapping[str, Any]) -> str:
    """What means and deviations are over: seeds, or scenes left out."""
    return "scenes left out" if "left_out" in comparison else "seeds"


def control_names(comparison: Mapping[str, Any]) -> list[str]:
    """Names of the controls that any of the methods has."""
    return list(dict.fromkeys(name for one in comparison["methods"].values() for name in one["gain"]))


def title(comparison: Mapping[str, Any]) -> str:
    """What was compared, in a line."""
    scene, seeds = comparison["scene"], len(comparison["seeds"])
    turn = ", each left out in turn" if "left_out" in comparison else ""
    return (
        f"{scene['name']}{_simulated(comparison)}{turn}, from {comparison['target']} alone: "
        f"{comparison['test_pixels']:,} test pixels, {seeds} seed{'s' if seeds > 1 else ''}"
    )


def _simulated(comparison: Mapping[str, Any]) -> str:
    if not comparison["scene"]["simulated"]:
        return ""
    some = any(not one["simulated"] for one in comparison.get("scenes", ()))
    return " (some simulated)" if some else " (simulated)"


def _units(comparison: Mapping[str, Any]) -> str:
    return (
        f"In percent, mean ± standard deviation over {over_what(comparison)}. Δ: the gain, method less its "
        f"own {GAIN_OVER}, the same kind of model without the auxiliary sensor, in percentage points ± "
        "standard error; – where it has none. p: of the gain in OA, paired t-tests, Holm-corrected."
    )


def ablation_table(method: str, comparison: Mapping[str, Any]) -> Table:
    """Rows of an ablation: accuracies, and the difference to the whole method."""
    rows = comparison["ablation"][method]
    measures = ("oa", "aa", "miou")
    transductive = any(one["transductive"] for one in rows.values())
    return Table(
        f"{title(comparison)}; parts of {method}",
        (
            "row",
            *(NAMES[measure] for measure in measures),
            *(f"Δ{NAMES[measure]} to the whole" for measure in measures),
        ),
        tuple(
            (
                marked(name, one["transductive"]),
                *(mean_sd(one, measure) for measure in measures),
                *(_gain(one["difference"], measure) for measure in measures),
            )
            for name, one in rows.items()
        ),
        (
            f"In percent, mean ± standard deviation over {over_what(comparison)}. Δ: row less whole, points "
            "± standard error.",
            *((TRANSDUCTIVE,) if transductive else ()),
        ),
    )


def marked(name: str, transductive: bool) -> str:
    """A name, with the dagger of a transductive run."""
    return name + DAGGER if transductive else name


def mean_sd(one: Mapping[str, Any], measure: str) -> str:
    """`71.4 ± 1.0`, in percent."""
    mean, sd = one["mean"][measure], one["sd"][measure]
    if mean is None:
        return NONE
    return f"{100 * mean:.1f}" if sd is None else f"{100 * mean:.1f} ± {100 * sd:.1f}"


def _gain(gains: Mapping[str, Any] | None, measure: str) -> str:
    if gains is None or gains[measure]["mean"] is None:
        return NONE
    mean, se = gains[measure]["mean"], gains[measure]["se"]
    return f"{100 * mean:+.1f}" if se is None else f"{100 * mean:+.1f} ± {100 * se:.1f}"


def _p(tests: Mapping[str, Any] | None, test: str = "p_t_holm", measure: str = "oa") -> str:
    if tests is None:
        return NONE
    p = tests[measure][test]
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def as_text(table: Table) -> str:
    """Columns of fixed width."""
    rows = (table.columns, *table.rows)
    widths = [max(len(row[k]) for row in rows) for k in range(len(table.columns))]
    lines = [
        "  ".join(cell.ljust(width) if k == 0 else cell.rjust(width) for k, (cell, width) in enumerate(row))
        for row in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    rule = "-" * max(len(line) for line in lines)
    for k in sorted({0, *table.breaks}, reverse=True):
        if k < len(table.rows):
            lines.insert(k + 1, rule)
    return "\n".join([table.title, "", *lines, rule, *table.notes]) + "\n"


def as_latex(table: Table) -> str:
    """A `table` environment that needs no package."""
    lines = [" & ".join(map(latex, row)) + r" \\" for row in (table.columns, *table.rows)]
    for k in sorted({0, *table.breaks}, reverse=True):
        if k < len(table.rows):
            lines.insert(k + 1, r"\hline")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(' '.join((f'{table.title}.', *table.notes)))}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
            r"\hline",
            *lines,
            r"\hline",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def latex(text: str) -> str:
    """Text that LaTeX sets as it reads."""
    escaped = "".join(_LATEX.get(letter, letter) for letter in text)
    return re.sub(r"(?<![\w-])-(?=\d)", "$-$", escaped)


def as_csv(comparison: Mapping[str, Any]) -> str:
    """A row for every method and control of every table, plain numbers (fractions), one column a figure."""
    return csv_text([row for part in parts_of(comparison).values() for row in _csv_rows(part)])


def _csv_rows(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, one in comparison["methods"].items():
        row: dict[str, Any] = {
            "means": comparison["means"], "method": name, "control_of": "", **_numbers(one),
        }  # fmt: skip
        for control in control_names(comparison):
            gains = one["gain"].get(control)
            for measure in MEASURES:
                for figure in ("mean", "se"):
                    value = None if gains is None else gains[measure][figure]
                    row[f"gain_{control}_{measure}_{figure}"] = value
        for measure in MEASURES:
            for which, tests in (("", one["tests"]), ("reference_", one["tests_reference"])):
                for test in ("p_t", "p_t_holm", "p_wilcoxon", "p_wilcoxon_holm"):
                    row[f"{which}{test}_{measure}"] = None if tests is None else tests[measure][test]
        rows.append(row)
    for one in comparison["controls"].values():
        named = {"means": comparison["means"], "method": one["name"], "control_of": " ".join(one["of"])}
        rows.append({**named, **_numbers(one)})
    if "ceiling" in comparison:
        one = comparison["ceiling"]
        rows.append({"means": comparison["means"], "method": "ceiling", "control_of": "", **_numbers(one)})
    return rows


def ablation_csv(study: Mapping[str, Any]) -> str:
    """A row for every row of every method's ablation, plain numbers (fractions)."""
    rows = []
    for method, parts in study.items():
        for name, one in parts.items():
            row = {"method": method, "row": name, **_numbers(one)}
            for measure in MEASURES:
                for figure in ("mean", "se"):
                    difference = one["difference"]
                    row[f"difference_{measure}_{figure}"] = difference and difference[measure][figure]
            rows.append(row)
    return csv_text(rows)


def scenes_csv(comparison: Mapping[str, Any]) -> str:
    """A row for every method and control on every scene, plain numbers (fractions)."""
    named = [(name, "", one) for name, one in comparison["methods"].items()]
    named += [(one["name"], " ".join(one["of"]), one) for one in comparison["controls"].values()]
    rows = []
    for name, of, whole in named:
        for scene, one in whole["scenes"].items():
            row: dict[str, Any] = {"method": name, "control_of": of, "scene": scene}
            row |= {"held_out": "yes" if one["held_out"] else "no", "n": one["n"]}
            row |= _numbers({**one, "transductive": whole["transductive"]})
            for control in control_names(comparison):
                gains = one["gain"].get(control)
                for measure in MEASURES:
                    for figure in ("mean", "se"):
                        value = None if gains is None else gains[measure][figure]
                        row[f"gain_{control}_{measure}_{figure}"] = value
            rows.append(row)
    return csv_text(rows)


def noise_csv(study: Mapping[str, Any]) -> str:
    """A row for every row of the noise study at every level, plain numbers (fractions)."""
    return csv_text(
        [
            {"row": name, "snr_db": level, **_numbers(one | {"transductive": row["transductive"]})}
            for name, row in study["rows"].items()
            for level, one in row["levels"].items()
        ]
    )


def _numbers(one: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"transductive": "yes" if one.get("transductive") else "no"}
    row["seeds"] = len(one["seeds"])
    for measure in MEASURES:
        row |= {f"{measure}_mean": one["mean"][measure], f"{measure}_sd": one["sd"][measure]}
    return row


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows under the columns of the first; what is None, or missing, is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
