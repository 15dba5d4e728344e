from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geo_xmodal.accuracy import AreaEstimates, ConfusionMatrix, GroundAreas, area_estimates
from geo_xmodal.types import LandClass

HECTARE = 1e4


def estimate(map_by_reference: np.ndarray, pixels: list[int], pixel_area: float = 1.0) -> AreaEstimates:
    """The paper prints rows = map; the matrix has rows = reference."""
    classes = [LandClass(k + 1, f"class {k}", "#336699") for k in range(len(pixels))]
    return area_estimates(
        ConfusionMatrix.from_counts(np.array(map_by_reference).T), classes, pixels, pixel_area
    )


def test_worked_example_of_olofsson_2014():
    # Table 8: deforestation, forest gain, stable forest, stable non-forest; 30 m pixels.
    found = estimate(
        [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]],
        [200_000, 150_000, 3_200_000, 6_450_000],
        30 * 30 / HECTARE,
    )
    overall = found.overall_accuracy
    assert (overall.value, overall.half_width) == (
        pytest.approx(0.9465, abs=1e-4),
        pytest.approx(0.0185, abs=1e-4),
    )

    def column(name: str) -> tuple[list[float], list[float]]:
        estimates = [getattr(one, name) for one in found.classes]
        return [one.value for one in estimates], [one.half_width for one in estimates]

    users, users_ci = column("users_accuracy")
    assert users == pytest.approx([0.8800, 0.7333, 0.9273, 0.9631], abs=1e-4)
    assert users_ci == pytest.approx([0.0740, 0.1008, 0.0397, 0.0205], abs=1e-4)
    producers, producers_ci = column("producers_accuracy")
    assert producers == pytest.approx([0.7487, 0.8472, 0.9345, 0.9616], abs=1e-4)
    assert producers_ci == pytest.approx([0.2133, 0.2544, 0.0343, 0.0184], abs=1e-4)
    areas, areas_ci = column("area")
    assert areas == pytest.approx([21_157.8, 11_686.2, 285_769.9, 581_386.2], abs=0.1)
    assert areas_ci == pytest.approx([6_157.6, 3_755.8, 15_509.8, 16_281.7], abs=0.1)
    assert [one.area.se for one in found.classes] == pytest.approx(
        [900_000 * share for share in (0.00349, 0.00213, 0.00879, 0.00923)], rel=2e-3
    )
    assert [one.mapped_area for one in found.classes] == pytest.approx([18_000, 13_500, 288_000, 580_500])
    assert found.classes[0].area.interval == pytest.approx((15_000.2, 27_315.4), abs=0.1)


def test_worked_example_of_olofsson_2013():
    # RSE 129:122-131, Table 4; areas in hectares.
    found = estimate([[97, 0, 3], [3, 279, 18], [2, 1, 97]], [22_353, 1_122_543, 610_228])
    assert found.overall_accuracy.value == pytest.approx(0.9444, abs=1e-4)
    assert found.overall_accuracy.half_width == pytest.approx(0.0219, abs=1e-4)
    assert [one.users_accuracy.value for one in found.classes] == pytest.approx([0.97, 0.93, 0.97])
    producers = [one.producers_accuracy.value for one in found.classes]
    assert producers == pytest.approx([0.4806, 0.9942, 0.8969], abs=1e-4)
    area = found.classes[0].area
    assert (area.value, area.se) == (pytest.approx(45_112, abs=1), pytest.approx(10_751, abs=1))
    assert area.half_width == pytest.approx(21_073, abs=1)


def test_one_unit_in_a_stratum_gives_values_without_errors():
    found = estimate([[1, 0], [2, 8]], [50, 100])
    first, second = found.classes
    assert (first.users_accuracy.value, first.users_accuracy.se) == (1.0, None)
    assert (second.users_accuracy.value, second.users_accuracy.se) == (0.8, pytest.approx((0.16 / 9) ** 0.5))
    assert found.overall_accuracy.value == pytest.approx(50 / 150 + 0.8 * 100 / 150)
    assert found.overall_accuracy.se is None
    assert first.area.value == pytest.approx(50 + 20)
    assert (first.area.se, first.area.half_width, first.area.interval) == (None, None, None)


def test_a_mapped_class_without_units_leaves_the_whole_undefined():
    found = estimate([[0, 0], [2, 8]], [50, 100])
    assert found.overall_accuracy.value is None
    assert [one.area.value for one in found.classes] == [None, None]
    assert found.classes[1].users_accuracy.value == 0.8


def test_a_class_that_is_not_on_the_map_can_still_have_an_area():
    found = estimate([[0, 0], [2, 8]], [0, 100])
    assert found.classes[0].area.value == pytest.approx(20)
    assert found.classes[0].producers_accuracy.value == 0
    assert found.classes[0].users_accuracy.value is None
    assert found.overall_accuracy.value == pytest.approx(0.8)


def test_a_class_absent_from_the_reference_has_no_producers_accuracy():
    found = estimate([[0, 5], [0, 5]], [50, 50])
    assert found.classes[0].producers_accuracy.value is None
    assert found.classes[0].users_accuracy.value == 0


@pytest.mark.parametrize(
    ("counts", "pixels", "message"),
    [
        ([[3, 0], [0, 3]], [2, 9], "more sample units than mapped pixels"),
        ([[0, 0], [0, 0]], [0, 0], "no pixel is mapped"),
        ([[3]], [9, 9], "2 pixel counts for a matrix of 1"),
    ],
)
def test_a_sample_of_another_map_is_refused(counts, pixels, message):
    with pytest.raises(ValueError, match=message):
        estimate(counts, pixels)


@given(
    hnp.arrays(np.int64, (3, 3), elements=st.integers(0, 40)),
    st.lists(st.integers(200, 10**6), min_size=3, max_size=3),
)
def test_areas_add_up_and_errors_are_those_of_independent_strata(counts, pixels):
    counts = counts + 2 * np.eye(3, dtype=np.int64)
    found = estimate(counts, pixels, 0.5)
    assert sum(one.area.value for one in found.classes) == pytest.approx(sum(pixels) * 0.5)
    weight = np.array(pixels) / sum(pixels)
    users = np.array([one.users_accuracy.value for one in found.classes])
    errors = np.array([one.users_accuracy.se for one in found.classes])
    assert found.overall_accuracy.value == pytest.approx(weight @ users)
    assert found.overall_accuracy.se == pytest.approx(np.sqrt((weight**2) @ errors**2))
    # Eq. 10 in its second form, from the estimated proportions.
    share = weight[:, None] * counts / counts.sum(1, keepdims=True)
    variance = ((weight[:, None] * share - share**2) / (counts.sum(1, keepdims=True) - 1)).sum(0)
    assert [one.area.se for one in found.classes] == pytest.approx(
        np.sqrt(np.maximum(variance, 0)) * sum(pixels) * 0.5, abs=1e-3
    )


def test_pixels_of_unequal_size_weigh_by_their_area():
    """Samples of a made-up map whose pixels and errors both change from south to north."""
    rng = np.random.default_rng(7)
    size = np.repeat(np.cos(np.radians(np.linspace(0, 75, 60))), 40)
    mapped = (rng.random(2400) < 0.5).astype(int)
    wrong = rng.random(2400) < np.repeat(np.linspace(0.05, 0.6, 60), 40)
    truth = np.where(wrong, 1 - mapped, mapped)
    classes = [LandClass(k + 1, f"class {k}", "#336699") for k in range(2)]
    areas = np.bincount(mapped, size, 2)
    values, errors = [], []
    for _ in range(1500):
        chosen = np.concatenate([rng.choice(np.flatnonzero(mapped == k), 60, replace=False) for k in (0, 1)])
        cell = 2 * truth[chosen] + mapped[chosen]
        sums = [np.bincount(cell, size[chosen] ** power, 4).reshape(2, 2) for power in (0, 1, 2)]
        found = area_estimates(
            ConfusionMatrix.from_counts(sums[0].astype(np.int64)),
            classes,
            [int((mapped == k).sum()) for k in (0, 1)],
            GroundAreas(areas, sums[1], sums[2]),
        )
        values.append([found.classes[0].area.value, found.overall_accuracy.value])
        errors.append([found.classes[0].area.se, found.overall_accuracy.se])
    expected = [size[truth == 0].sum(), size[~wrong].sum() / size.sum()]
    assert np.mean(values, axis=0) == pytest.approx(expected, rel=0.005)
    # a twentieth of the map is sampled: the finite population takes 2.5 % off the true spread
    assert np.mean(errors, axis=0) == pytest.approx(np.std(values, axis=0), rel=0.06)
