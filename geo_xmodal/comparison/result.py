"""What a comparison gives to whoever asked for it from Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geo_xmodal.accuracy import MEASURES, PairedGain, PairedTest
from geo_xmodal.training import Accuracies, Gain


@dataclass(frozen=True)
class ComparedMethod:
    """A method of a comparison.

    Attributes:
        name: In the registry.
        accuracy: Means and standard deviations over seeds, or over the scenes left out in turn.
        gains: Over each of its controls, in each measure; empty for a method without the auxiliary sensor.
        tests: Whether it gains anything over `target_only`, measure by measure; empty where it has none.
        tests_reference: Whether its gain differs from that of the reference; empty for that itself.
        trials: For each seed, what was tried on validation blocks before its run; empty where nothing was.
        scenes: Accuracy on each of several scenes; empty for one.
    """

    name: str
    accuracy: Accuracies
    gains: Mapping[str, Mapping[str, Gain]]
    tests: Mapping[str, PairedTest]
    tests_reference: Mapping[str, PairedTest]
    trials: tuple[Mapping[str, Any], ...]
    scenes: Mapping[str, Accuracies]


@dataclass(frozen=True)
class Comparison:
    """A finished comparison.

    Attributes:
        folder: Where its tables, pictures and runs are.
        methods: By name, as asked for: of the first table, as published where both were asked for.
        equal: The same with equal means, where both tables were asked for and differ; else empty.
        means: Of `methods`: `published` or `equal`.
        reference: The method whose gain the others' are tested against; None where none has a gain.
        ceiling: A classifier that sees both sensors at test time, on those test pixels that have both.
        notes: What must be known beside the figures.
        content: The content of comparison.json, with the studies.
    """

    folder: Path
    methods: Mapping[str, ComparedMethod]
    equal: Mapping[str, ComparedMethod]
    means: str
    reference: str | None
    ceiling: Accuracies | None
    notes: tuple[str, ...]
    content: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path, content: Mapping[str, Any]) -> Comparison:
        """A comparison from its folder and the content of its comparison.json."""
        equal = content.get("equal", {}).get("methods", {})
        return cls(
            folder=folder,
            methods={name: _method(name, one) for name, one in content["methods"].items()},
            equal={name: _method(name, one) for name, one in equal.items()},
            means=content["means"],
            reference=content["reference"],
            ceiling=Accuracies.of(content["ceiling"]) if "ceiling" in content else None,
            notes=tuple(content["notes"]),
            content=content,
        )


def _method(name: str, one: Mapping[str, Any]) -> ComparedMethod:
    return ComparedMethod(
        name=name,
        accuracy=Accuracies.of(one),
        gains={
            control: {key: Gain(**gain[key]) for key in MEASURES} for control, gain in one["gain"].items()
        },
        tests={measure: _test(test) for measure, test in (one["tests"] or {}).items()},
        tests_reference={measure: _test(test) for measure, test in (one["tests_reference"] or {}).items()},
        trials=tuple(one.get("trials", ())),
        scenes={scene: Accuracies.of(scores) for scene, scores in one.get("scenes", {}).items()},
    )


def _test(test: Mapping[str, Any]) -> PairedTest:
    low, high = test["interval"] or (None, None)
    return PairedTest(
        PairedGain(test["mean"], test["se"], low, high),
        test["p_t"],
        test["p_wilcoxon"],
        test["p_t_holm"],
        test["p_wilcoxon_holm"],
    )
