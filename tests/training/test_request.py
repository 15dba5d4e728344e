"""What is asked of a run: typed or as texts, it is the same; what cannot be is refused."""

from __future__ import annotations

import pytest

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal.training import TrainRequest, resolve


@pytest.mark.parametrize("kind", ["sar", "lidar"])
def test_options_are_settings_and_lie_over_the_recipe(kind: str) -> None:
    typed = TrainRequest(
        method="hgr",
        options=gx.HgrOptions(epochs=3, contrasts=(5, 9), balance=False),
        data=gx.DataOptions(labels_per_class=10, auxiliary="hsi"),
        control=True,
    )
    texts = TrainRequest(
        method="hgr",
        settings={
            "epochs": "3", "contrasts": "5,9", "balance": "false", "labels_per_class": "10",
            "auxiliary": "hsi",
        },
        control=True,
    )  # fmt: skip
    assert resolve(typed, kind) == resolve(texts, kind)
    assert resolve(typed, kind).main.options.augment == (kind == "sar")  # which nobody asked for


def test_what_is_given_twice_or_to_another_method_is_refused() -> None:
    twice = TrainRequest(method="hgr", options=gx.HgrOptions(teachers=1), settings={"teachers": "2"})
    with pytest.raises(UsageError, match="teachers is given twice"):
        resolve(twice, "sar")
    with pytest.raises(UsageError, match="options are SvmOptions, which hgr does not take; give HgrOptions"):
        resolve(TrainRequest(method="hgr", options=gx.SvmOptions(C=0.5)), "sar")
