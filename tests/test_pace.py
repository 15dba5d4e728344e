from __future__ import annotations

import pytest

from geo_xmodal.pace import Pace, duration


def test_the_time_left_is_that_of_the_steps_left() -> None:
    pace = Pace().after(0, 100, "", 50.0)
    assert pace.seconds_left(50.0) is None
    for second in range(1, 21):
        pace = pace.after(second, 100, "", 50.0 + 2 * second)
    assert pace.seconds_left(90.0) == pytest.approx(160.0)
    # while a step lasts the time runs on
    assert pace.seconds_left(91.5) == pytest.approx(158.5)
    assert pace.seconds_left(1e6) == 0.0


def test_what_comes_before_the_first_step_does_not_count() -> None:
    pace = Pace().after(0, 0, "reading", 1.0).after(0, 0, "reading", 600.0)
    assert pace.seconds_left(600.0) is None
    # an earlier run did 40 of 100 steps
    pace = pace.after(40, 100, "epoch 5", 700.0).after(40, 100, "epoch 5", 710.0)
    assert pace.seconds_left(710.0) is None
    pace = pace.after(50, 100, "epoch 6", 715.0)
    assert pace.counted == 5.0
    assert pace.seconds_left(715.0) == pytest.approx(25.0)


def test_an_end_is_no_time_away_and_a_new_count_begins_anew() -> None:
    pace = Pace().after(1, 10, "a", 1.0).after(10, 10, "b", 10.0)
    assert pace.seconds_left(10.0) == 0.0
    assert pace.after(2, 10, "c", 11.0) == Pace(2, 10, "c", 2, 11.0, 11.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3000, "50 min"),
        (5399, "1.5 h"),
        (7200, "2.0 h"),
    ],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
