"""The correlation benchmark's tables, targets and plot, from measured rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from geo_xmodal.correlation.trace_term import prefers_gram
from tests.benchmarks.bench_correlation_candidates import COUNTERPARTS

TARGET_EXACT, TARGET_SKETCH, TARGET_DEEP_CCA = 1.3, 1.3, 10.0


class Row(NamedTuple):
    """Milliseconds and peak megabytes of everything that was timed at one size."""

    m: int
    K: int
    ms: dict[str, float]
    MB: dict[str, float]

    def ratio(self, over: str, *under: str) -> float | None:
        """Time of one thing by that of others together; None where one was not timed."""
        if over not in self.ms or not all(name in self.ms for name in under):
            return None
        return self.ms[over] / sum(self.ms[name] for name in under)

    def memory_ratio(self, over: str, under: str) -> float | None:
        """Peak memory of one thing by that of another."""
        return self.MB[over] / self.MB[under] if over in self.MB and under in self.MB else None


def table(rows: Sequence[Row], columns: dict[str, Callable[[Row], object]]) -> str:
    """Markdown, a line a size; what was not timed because it is too slow is `>limit`."""

    def cell(value: object) -> str:
        return ">limit" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)

    columns = {"m": lambda r: r.m, "K": lambda r: r.K} | columns
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(cell(column(row)) for column in columns.values()) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def times(over: str, *under: str) -> dict[str, Callable[[Row], object]]:
    """A column with a ratio of times."""
    name = under[0] if len(under) == 1 else f"({'+'.join(under)})"
    return {f"{over}/{name}": lambda r: r.ratio(over, *under)}


def exact_table(rows: Sequence[Row]) -> str:
    """Soft-HGR and its kin against cosine, their own matrix products, and the naive form."""
    exact = ("soft_hgr", "unifast", "optfast", "unifast, similarity")
    columns: dict[str, Callable[[Row], object]] = {
        "form": lambda r: "Gram" if prefers_gram(r.m, r.m, r.K) else "cov",
        "cosine ms": lambda r: r.ms["cosine"],
        **times("products", "cosine"),
    }
    for name in exact:
        columns |= times(name, "cosine", "products")
    columns |= times("soft_hgr", "naive")
    for name in ("sketch", "unifast sketch", "unifast sketch, similarity"):
        columns |= times(name, "cosine")
    columns |= times("sketch", "own cosine")
    return table(rows, columns)


def whitened_table(rows: Sequence[Row]) -> str:
    """Against whitening; products alone show what no exact form can pass."""
    columns: dict[str, Callable[[Row], object]] = {
        "soft_hgr ms": lambda r: r.ms["soft_hgr"],
        "deep_cca ms": lambda r: r.ms.get("deep_cca"),
        "hgr ms": lambda r: r.ms.get("hgr"),
        "published ms": lambda r: r.ms.get("published deep_cca"),
    }
    for name in ("deep_cca", "published deep_cca"):
        columns |= times(name, "soft_hgr") | times(name, "products") | times(name, "sketch")
    return table(rows, columns)


def cca_zoo_table(rows: Sequence[Row]) -> str:
    """cca-zoo's losses against Soft-HGR, and against the objective here that shares the definition."""
    columns: dict[str, Callable[[Row], object]] = {}
    for name in COUNTERPARTS:
        columns |= times(name, "soft_hgr")
    for name, own in COUNTERPARTS.items():
        columns |= times(name, own)
    return table(rows, columns)


def memory_table(rows: Sequence[Row]) -> str:
    """Peak memory beyond the features, gradients included."""
    shown = ("cosine", "sketch", "soft_hgr", "unifast", "naive", "deep_cca", "cca-zoo CCA", "cca-zoo EY")
    columns: dict[str, Callable[[Row], object]] = {
        f"{name} MB": lambda r, name=name: r.MB.get(name) for name in shown if name in rows[0].MB
    }
    for over, under in (("soft_hgr", "naive"), ("soft_hgr", "cosine"), ("sketch", "cosine")):
        columns[f"{over}/{under}"] = lambda r, over=over, under=under: r.memory_ratio(over, under)
    return table(rows, columns)


def ratio_tables(rows: Sequence[Row]) -> str:
    """All that `ratios` prints."""
    parts = [exact_table(rows), whitened_table(rows)]
    if any(name in rows[0].ms for name in COUNTERPARTS):
        parts.append(cca_zoo_table(rows))
    else:
        parts.append("cca-zoo is not installed: its losses are left out.")
    return "\n\n".join([*parts, memory_table(rows), verdict(rows)])


def verdict(rows: Sequence[Row]) -> str:
    """The targets, and which sizes miss each."""

    def line(what: str, met: Callable[[float], bool], value: Callable[[Row], float | None], of: list) -> str:
        timed = [(r, v) for r in of if (v := value(r)) is not None]
        missed = [f"({r.m}, {r.K}): {v:.3g}" for r, v in timed if not met(v)]
        said = f"- {what}: met at {len(timed) - len(missed)} of {len(of)} sizes"
        said += f", {len(of) - len(timed)} not timed" if len(timed) < len(of) else ""
        return said + ("; missed at (m, K) " + ", ".join(missed) if missed else "")

    def at_most(target: float, over: str, *under: str, least: int = 0) -> str:
        of = [r for r in rows if r.m * r.K >= least]
        where = f", m K >= {least}" if least else ""
        return line(
            f"{over} <= {target:g} ({' + '.join(under)}){where}",
            lambda v: v <= target,
            lambda r: r.ratio(over, *under),
            of,
        )

    def at_least(over: str, under: str) -> str:
        of = [r for r in rows if r.K >= 512]
        return line(
            f"{over} >= {TARGET_DEEP_CCA:g} {under}, K >= 512",
            lambda v: v >= TARGET_DEEP_CCA,
            lambda r: r.ratio(over, under),
            of,
        )

    exact = ("soft_hgr", "unifast", "optfast", "unifast, similarity")
    sketches = ("sketch", "unifast sketch", "unifast sketch, similarity")
    return "\n".join(
        [
            *(at_most(TARGET_EXACT, name, "cosine", "products") for name in exact),
            at_most(1.0, "soft_hgr", "naive"),
            *(at_most(TARGET_SKETCH, name, "cosine", least=65536) for name in sketches),
            at_most(TARGET_SKETCH, "sketch", "own cosine", least=65536),
            *(
                at_least(whitened, under)
                for whitened in ("deep_cca", "published deep_cca")
                for under in ("soft_hgr", "products", "sketch")
            ),
        ]
    )


def study_table(rows: Sequence[Row]) -> str:
    """Milliseconds of every objective."""
    return table(rows, {f"{name} ms": lambda r, name=name: r.ms.get(name) for name in rows[0].ms})


def compiled_table(rows: Sequence[Row]) -> str:
    """Plain milliseconds, and how many times faster the compiled step is."""
    plain = [name for name in rows[0].ms if not name.endswith(", compiled")]
    columns: dict[str, Callable[[Row], object]] = {}
    for name in plain:
        columns[f"{name} ms"] = lambda r, name=name: r.ms[name]
        columns[f"{name} plain/compiled"] = lambda r, name=name: r.ratio(name, f"{name}, compiled")
    return table(rows, columns)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw the study: time over batch size, a line an objective."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 6), layout="constrained")
    for i, name in enumerate(sorted(rows[-1].ms, key=lambda n: -rows[-1].ms[n])):
        style = ("-", "--", ":")[i // 10]
        axes.loglog([r.m for r in rows], [r.ms[name] for r in rows], style, marker=".", label=name)
    axes.set(
        xlabel="batch size m",
        ylabel="value and gradient, ms",
        title=f"Random tensors, K = {rows[0].K}, best of rounds",
    )
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=120)
