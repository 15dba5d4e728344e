"""The published scenes that are known, by name."""

from __future__ import annotations

import difflib

from geo_xmodal.errors import UsageError
from geo_xmodal.published.augsburg import AUGSBURG
from geo_xmodal.published.berlin import BERLIN
from geo_xmodal.published.catalogue import PublishedScene
from geo_xmodal.published.houston2013 import HOUSTON2013
from geo_xmodal.published.houston2018 import HOUSTON2018
from geo_xmodal.published.muufl import MUUFL
from geo_xmodal.published.trento import TRENTO

_SCENES = (BERLIN, AUGSBURG, HOUSTON2013, HOUSTON2018, MUUFL, TRENTO)


def published_scenes() -> tuple[PublishedScene, ...]:
    """All published scenes that `import_scene` knows."""
    return _SCENES


def find_scene(name: str) -> PublishedScene:
    """The published scene of that name, any case.

    Raises:
        UsageError: No such scene.
    """
    known = {scene.name: scene for scene in _SCENES}
    if name.lower() in known:
        return known[name.lower()]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"no published scene {name!r}; {hint}known: {', '.join(known)}")
