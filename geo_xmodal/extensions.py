"""What installed packages add: methods, networks, objectives and published scenes, by entry points.

A package names what it adds in its own pyproject.toml, say

    [project.entry-points."geo_xmodal.networks"]
    vit_s16 = "my_package.vit:ENTRY"

and is found once it is installed. It is imported when somebody asks for what it adds, or for a list of all;
never because a file says so: a name in a file can only mean what is installed and registered.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

from geo_xmodal.errors import ExtensionError

T = TypeVar("T")

PREFIX = "geo_xmodal."
"""Of the groups of entry points."""


class Registry(Mapping[str, T]):
    """Things by name: those of this package, then those that installed packages add.

    A name of this package means the same everywhere, so that no other package can take it.

    Attributes:
        own: As given.

    Args:
        group: Of the entry points, behind `PREFIX`.
        own: What this package has.
        fits: Whether what an entry point gives is such a thing.
        expected: What it should be, in words.
    """

    def __init__(self, group: str, own: Mapping[str, T], fits: Callable[[Any], bool], expected: str) -> None:
        self._group = group
        self.own = own
        self._fits = fits
        self._expected = expected
        self._loaded: dict[str, T] = {}

    @cached_property
    def _added(self) -> Mapping[str, importlib.metadata.EntryPoint]:
        found: dict[str, importlib.metadata.EntryPoint] = {}
        for entry in importlib.metadata.entry_points(group=f"{PREFIX}{self._group}"):
            if entry.name in self.own:
                raise ExtensionError(
                    f"{_package(entry)}: {self._group} {entry.name!r} is a name of geo_xmodal itself: "
                    "uninstall that package, or use a version of it with another name"
                )
            if entry.name in found and entry.value != found[entry.name].value:
                raise ExtensionError(
                    f"{_package(entry)} and {_package(found[entry.name])}: both add {entry.name!r} to "
                    f"{self._group}: uninstall one"
                )
            found[entry.name] = entry
        return dict(sorted(found.items()))

    def __getitem__(self, name: str) -> T:
        """What has this name.

        Raises:
            KeyError: Nothing has.
            ExtensionError: The package that adds it cannot be imported, or gives something else.
        """
        if name in self.own:
            return self.own[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(self._added[name])
        return self._loaded[name]

    def _load(self, entry: importlib.metadata.EntryPoint) -> T:
        try:
            value = entry.load()
        except Exception as error:  # whatever another package does when it is imported
            raise ExtensionError(
                f"{_package(entry)}: {self._group} {entry.name!r} cannot be loaded from {entry.value} "
                f"({type(error).__name__}: {error}): update the package, or uninstall it"
            ) from error
        if not self._fits(value):
            raise ExtensionError(
                f"{_package(entry)}: {self._group} {entry.name!r} is {type(value).__name__}, expected "
                f"{self._expected}: update the package, or uninstall it"
            )
        checked: T = value
        return checked

    def __contains__(self, name: object) -> bool:
        """Whether something has this name; nothing is imported."""
        return name in self.own or name in self._added

    def __iter__(self) -> Iterator[str]:
        """All names, own ones first; nothing is imported."""
        yield from self.own
        yield from self._added

    def __len__(self) -> int:
        """How many names there are."""
        return len(self.own) + len(self._added)

    def package_of(self, name: str) -> str | None:
        """The installed package that adds a name, as pip calls it; None for one of this package."""
        return None if name in self.own else _package(self._added[name])


def _package(entry: importlib.metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value.partition(":")[0]
