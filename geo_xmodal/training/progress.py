"""Progress of several runs as one count of steps, so that the time left is that of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from geo_xmodal.types import Progress


def part_of(progress: Progress | None, before: int, steps: int, whole: int, name: str) -> Progress | None:
    """Progress of a part as a part of the whole.

    Args:
        progress: of the whole.
        before: steps of the whole before this part.
        steps: steps of the whole that are this part's.
        whole: steps of the whole.
        name: of the part.
    """
    if progress is None:
        return None
    tell = progress

    def part(done: int, total: int, message: str) -> None:
        tell(before + steps * done // total, whole, f"{name}, {message}")

    return part


def train_and_test(progress: Progress | None) -> tuple[Progress | None, Progress | None]:
    """Progress of a run's training, and of its test: one more step after those of training."""
    if progress is None:
        return None, None
    tell, steps = progress, 1

    def training(done: int, total: int, message: str) -> None:
        nonlocal steps
        steps = total
        tell(done, total + 1, message)

    def testing(done: int, total: int, message: str) -> None:
        tell(steps, steps + 1, f"{message}: {100 * done // max(total, 1)} %")

    return training, testing


def reading(progress: Progress | None, before: int, whole: int) -> Progress | None:
    """Progress of reading, after `before` of the `whole` steps: it counts none itself."""
    if progress is None:
        return None
    tell = progress

    def part(done: int, total: int, message: str) -> None:
        tell(before, whole, f"{message}: {100 * done // max(total, 1)} %")

    return part


class RunsProgress:
    """Hands each run of an experiment, in turn, its part of the progress.

    Args:
        progress: of the experiment.
        steps: about how many steps each run of a seed takes.
        seeds: how often these runs come.
    """

    def __init__(self, progress: Progress | None, steps: Sequence[int], seeds: int) -> None:
        self._progress = progress
        self._steps = [*steps] * seeds
        self._run = 0

    def next(self, name: str) -> Progress | None:
        """The part of the next run."""
        before, steps = sum(self._steps[: self._run]), self._steps[self._run]
        self._run += 1
        runs = len(self._steps)
        which = f"run {self._run} of {runs}: " if runs > 1 else ""
        return part_of(self._progress, before, steps, sum(self._steps), f"{which}{name}")

    def reading(self) -> Progress | None:
        """Progress of what is read before the next run."""
        return reading(self._progress, sum(self._steps[: self._run]), sum(self._steps))
