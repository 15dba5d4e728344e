"""Whether colour-blind readers can tell classes apart, and colours that they can.

Vision is simulated after Machado, Oliveira & Fernandes (2009) at full severity, and distances are taken in
CAM02-UCS (Luo, Cui & Li 2006), where equal distances look equally different; both by colorspacious.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import colorspacious
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from geo_xmodal.types import LandClass

Vision = Literal["normal", "deuteranopia", "protanopia"]
Colors = npt.NDArray[np.float64]

_SIMULATED: dict[Vision, str | None] = {
    "normal": None,
    "deuteranopia": "deuteranomaly",
    "protanopia": "protanomaly",
}
_CLOSE = 9.0
"""CAM02-UCS; patches of a map closer than this are easily taken for one another."""

_STEPS = (0x11, 0x44, 0x77, 0xAA, 0xDD, 0xEE)


@dataclass(frozen=True)
class Confusion:
    """Two classes that are hard to tell apart.

    Attributes:
        first: Name of one class.
        second: Name of the other.
        vision: For whom; `normal` when for everybody.
        distance: In CAM02-UCS.
    """

    first: str
    second: str
    vision: Vision
    distance: float

    def __str__(self) -> str:
        """The warning."""
        whom = "most readers" if self.vision == "normal" else f"readers with {self.vision}"
        return f"{self.first} and {self.second} look alike to {whom}."


def confusions(classes: Sequence[LandClass]) -> tuple[Confusion, ...]:
    """Pairs of classes that look alike, the closest first, each with the vision in which it is closest."""
    if len(classes) < 2:
        return ()
    seen = _seen(np.array([entry.rgb for entry in classes]) / 255)
    found = []
    for (i, first), (j, second) in itertools.combinations(enumerate(classes), 2):
        distances = {vision: float(np.linalg.norm(place[i] - place[j])) for vision, place in seen.items()}
        vision = min(distances, key=distances.__getitem__)
        if distances[vision] < _CLOSE:
            if distances["normal"] < _CLOSE:
                vision = "normal"
            found.append(Confusion(first.name, second.name, vision, distances[vision]))
    return tuple(sorted(found, key=lambda confusion: confusion.distance))


def safe_palette(classes: Sequence[LandClass]) -> tuple[LandClass, ...]:
    """The classes in colours that all readers tell apart, each as near to its own colour as that allows."""
    if not classes:
        return ()
    colors = _apart(len(classes))
    wanted = _seen(np.array([entry.rgb for entry in classes]) / 255)["normal"]
    offered = _seen(colors)["normal"]
    cost = np.linalg.norm(wanted[:, None] - offered[None], axis=-1)
    rows, cols = linear_sum_assignment(cost)
    chosen = dict(zip(rows.tolist(), cols.tolist(), strict=True))
    return tuple(replace(entry, color=_hex(colors[chosen[row]])) for row, entry in enumerate(classes))


@lru_cache(maxsize=64)
def _apart(count: int) -> Colors:
    """`count` colours, each the farthest from those before it in the vision in which it is closest."""
    offered = np.array(list(itertools.product(_STEPS, repeat=3))) / 255
    seen = np.stack(list(_seen(offered).values()))
    lightness = seen[0, :, 0]
    usable = np.flatnonzero((lightness > 15) & (lightness < 93))  # neither ink nor paper
    chosen = [int(usable[np.argmin(np.abs(lightness[usable] - 30))])]
    nearest = np.full(len(offered), np.inf)
    while len(chosen) < count:
        step = np.linalg.norm(seen - seen[:, chosen[-1:]], axis=-1).min(axis=0)
        nearest = np.minimum(nearest, step)
        chosen.append(int(usable[np.argmax(nearest[usable])]))
    return offered[chosen]


def _seen(colors: Colors) -> dict[Vision, Colors]:
    """Places in CAM02-UCS (color, 3) of sRGB colours (color, 3; 0 to 1) as each vision sees them."""
    places: dict[Vision, Colors] = {}
    for vision, kind in _SIMULATED.items():
        space = "sRGB1"
        source = space if kind is None else {"name": "sRGB1+CVD", "cvd_type": kind, "severity": 100}
        shown = colors if kind is None else np.clip(colorspacious.cspace_convert(colors, source, space), 0, 1)
        places[vision] = colorspacious.cspace_convert(shown, space, "CAM02-UCS")
    return places


def _hex(color: Colors) -> str:
    return "#" + "".join(f"{round(float(channel) * 255):02x}" for channel in color)
