"""Classes for labels that come without a list of them, in colours that can be told apart."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable, Iterator, Sequence

from pydantic import ValidationError

from geo_xmodal.errors import LabelError
from geo_xmodal.raster import first_spellings
from geo_xmodal.scenes.config import ClassConfig
from geo_xmodal.small_files import first_problem, shortened
from geo_xmodal.types import MAX_NAME, LandClass

PALETTE = (
    "#332288", "#117733", "#ddcc77", "#cc6677", "#88ccee",
    "#aa4499", "#44aa99", "#999933", "#882255", "#661100",
)  # fmt: skip
"""Colours that colour-blind readers tell apart (P. Tol, "Colour schemes", SRON/EPS/TN/09-002, muted)."""

_GOLDEN = 0.618034
"""Turns of this share of the hue circle never come close to one another soon."""


def legend_of(values: Sequence[str], where: str) -> tuple[tuple[ClassConfig, ...], dict[str, int]]:
    """Classes for the values of labels, and the class id of each value.

    Values that are all different whole numbers from 0 to 255 are the ids, but for 0, which no class can have
    and which gets the first free one; any others get ids in their order. Spellings of one name are one class.

    Args:
        values: As `geo_xmodal.raster.label_values` has them; a value may come more than once.
        where: The label files, for the message.

    Raises:
        LabelError: Fewer than two classes, or more than a map can hold, or a value that cannot name one.
    """
    spellings = first_spellings(values)
    names = list(spellings)
    if not 2 <= len(names) <= 255:
        found = f" ({', '.join(shortened(name) for name in names[:5])})" if names else ""
        raise LabelError(f"{where}: {len(names)} different labels{found}, expected 2 to 255 classes")
    # Python reads no number of very many digits
    numbers = [int(name) for name in names if name.isdecimal() and len(name) <= MAX_NAME]
    are_ids = len(set(numbers)) == len(names) and max(numbers) <= 255
    ids = {name: int(name) if are_ids else order for order, name in enumerate(names, 1)}
    for name, id_ in ids.items():
        if id_ == 0:
            ids[name] = free_id(ids.values())
    names.sort(key=lambda name: ids[name])
    try:
        classes = tuple(
            ClassConfig(id=ids[name], name=f"class {name}" if are_ids else name, color=color)
            for name, color in zip(names, colors_of(names), strict=True)
        )
    except ValidationError as error:
        raise LabelError(
            f"{where}: a label that cannot name a class: {first_problem(error)}; choose another column, or "
            "shorten it"
        ) from None
    return classes, {spelling: ids[name] for name, found in spellings.items() for spelling in found}


def free_id(taken: Iterable[int], where: str = "the class list") -> int:
    """The least id that a class may have and none has.

    Raises:
        LabelError: There is none.
    """
    used = set(taken)
    for id_ in range(1, 256):
        if id_ not in used:
            return id_
    raise LabelError(f"{where}: 255 classes and one more, expected at most 255: join some")


def added_class(name: str, classes: Sequence[LandClass]) -> LandClass:
    """A new class of a legend: the least free id, and the colour that its name tells, or a free one.

    Raises:
        LabelError: The legend has 255 classes already.
    """
    color = free_color(colors_of([name])[0], [one.color for one in classes])
    return LandClass(free_id(one.id for one in classes), name, color)


def free_color(wanted: str, taken: Iterable[str]) -> str:
    """The colour wanted, or the first of the palette that no other class has."""
    used = {color.lower() for color in taken}
    if wanted.lower() not in used:
        return wanted
    return next(color for color in palette(len(used) + 1) if color not in used)


def color_table(classes: Iterable[LandClass]) -> dict[int, tuple[int, int, int, int]]:
    """Red, green, blue and opacity of class ids for a palette GeoTIFF; 0 is transparent."""
    return {0: (0, 0, 0, 0)} | {entry.id: (*entry.rgb, 255) for entry in classes}


def colors_of(names: Sequence[str]) -> tuple[str, ...]:
    """A colour `#rrggbb` for each class name, all different: that of the land cover that the name tells.

    Of several names of one land cover, the first has its colour and the others have lighter and darker ones
    of the same hue. Names that tell none have colours of the palette, in their order.
    """
    colors: dict[int, str] = {}
    for at, name in enumerate(names):
        known = next((color for pattern, color in _COVERS if pattern.search(name.lower())), None)
        if known is None:
            continue
        taken = set(colors.values())
        colors[at] = next((one for one in _shades(known) if one not in taken), free_color(known, taken))
    spare = (color for color in palette(len(names) + len(colors)) if color not in set(colors.values()))
    return tuple(colors[at] if at in colors else next(spare) for at in range(len(names)))


_COVERS = tuple(
    (re.compile(rf"\b(?:{words})"), color)
    for words, color in (
        (r"shadow|[\w ]+ shadow", "#3b3b3b"),
        (r"water|river|lake|sea\b|ocean|pond|reservoir|canal", "#2171b5"),
        (r"wetland|marsh|swamp|bog\b|peat|mangrove", "#44aa99"),
        (r"snow|ice\b|glacier", "#d7ecf7"),
        (r"shrub|bush|scrub|heath", "#8c9a3c"),
        (r"grass|meadow|pasture|lawn|low plants|turf", "#8fce5a"),
        (r"forest|tree|wood|conifer|deciduous|evergreen", "#117733"),
        (
            r"crop|wheat|maize|corn|barley|rye\b|rapeseed|soy|potato|arable|agri|farm|vineyard",
            "#e3c44a",
        ),
        (r"soil|bare|sand|dirt|mud|rock|ground|gravel|beach", "#b5814f"),
        (r"road|asphalt|street|highway|railway|parking|sidewalk|concrete|pavement|impervious", "#7f7f7f"),
        (r"building|roof|house|residential|urban|commercial|industrial|built", "#cc4c4c"),
    )
)
"""Land covers as words of class names tell them, and the colour that maps give them."""


def _shades(color: str) -> Iterator[str]:
    """A colour, then lighter and darker ones of its hue, in turn."""
    hue, light, strength = colorsys.rgb_to_hls(*(int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)))
    yield color
    for step in range(1, 5):
        for turned in (light + 0.11 * step, light - 0.11 * step):
            if 0.12 <= turned <= 0.92:
                rgb = colorsys.hls_to_rgb(hue, turned, strength)
                yield "#" + "".join(f"{round(channel * 255):02x}" for channel in rgb)


def palette(count: int) -> tuple[str, ...]:
    """`count` different colours `#rrggbb`, the first ten of which colour-blind readers tell apart."""
    colors = list(PALETTE[:count])
    turn = 0
    while len(colors) < count:
        rgb = colorsys.hls_to_rgb(turn * _GOLDEN % 1, (0.35, 0.55, 0.75)[turn % 3], 0.6)
        color = "#" + "".join(f"{round(channel * 255):02x}" for channel in rgb)
        turn += 1
        if color not in colors:
            colors.append(color)
    return tuple(colors)
