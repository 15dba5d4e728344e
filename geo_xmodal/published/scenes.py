"""The published scenes that are known, by name."""

from __future__ import annotations

import difflib

from geo_xmodal.errors import UsageError
from geo_xmodal.extensions import Registry
from geo_xmodal.published.augsburg import AUGSBURG
from geo_xmodal.published.berlin import BERLIN
from geo_xmodal.published.catalogue import PublishedScene
from geo_xmodal.published.houston2013 import HOUSTON2013
from geo_xmodal.published.houston2018 import HOUSTON2018
from geo_xmodal.published.muufl import MUUFL
from geo_xmodal.published.trento import TRENTO

_SCENES: Registry[PublishedScene] = Registry(
    "published_scenes",
    {scene.name: scene for scene in (BERLIN, AUGSBURG, HOUSTON2013, HOUSTON2018, MUUFL, TRENTO)},
    lambda value: isinstance(value, PublishedScene),
    "a geo_xmodal.published.PublishedScene",
)


def published_scenes() -> tuple[PublishedScene, ...]:
    """All published scenes that `import_scene` knows, with those that installed packages add."""
    return tuple(_SCENES.values())


def find_scene(name: str) -> PublishedScene:
    """The published scene of that name, any case.

    Raises:
        UsageError: No such scene.
    """
    if name.lower() in _SCENES:
        return _SCENES[name.lower()]
    near = difflib.get_close_matches(name.lower(), _SCENES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"no published scene {name!r}; {hint}known: {', '.join(_SCENES)}")
