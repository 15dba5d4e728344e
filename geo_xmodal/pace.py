"""How far long work has come, and how much time is left: one estimate for terminals, logs and pages."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Pace:
    """Steps done, and since when they are counted.

    Counting begins with the first report of a count, and again while no step is done yet: what comes before
    the first step (reading data, catching up with an earlier run) says nothing of the steps.

    Attributes:
        done: steps done, of `total`; a total of 0 is not known yet.
        total: all steps.
        message: what was said with them.
        first: steps that were done when counting began, at `since`.
        since: in seconds, as `at`, on any clock.
        at: when `done` last changed.
    """

    done: int = 0
    total: int = 0
    message: str = ""
    first: int = 0
    since: float = 0.0
    at: float = 0.0

    def after(self, done: int, total: int, message: str, now: float) -> Pace:
        """The pace after a report at `now`; a count that starts again is counted anew."""
        if self.at == 0 or done < self.done or total != self.total or done == self.first:
            return Pace(done, total, message, done, now, now)
        if done == self.done:
            return replace(self, message=message)
        return replace(self, done=done, message=message, at=now)

    @property
    def counted(self) -> float:
        """Seconds from the first counted step to the last one."""
        return self.at - self.since

    def seconds_left(self, now: float) -> float | None:
        """A guess from the pace since counting began; None before there is one."""
        steps = self.done - self.first
        if steps < 1 or self.counted <= 0 or self.total < self.done:
            return None
        return max(0.0, (self.total - self.done) * self.counted / steps - (now - self.at))


def duration(seconds: float) -> str:
    """A time span in words."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
