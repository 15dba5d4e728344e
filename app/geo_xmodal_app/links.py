"""Links to a map that other users of the server may open: unguessable, to look at only, withdrawn at will."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import write_json
from geo_xmodal.small_files import SmallFile, read_json_object
from geo_xmodal_app.sessions import is_id, new_id
from geo_xmodal_app.settings import settings

_LINK = SmallFile("a link", UsageError, "make another", 1 << 16)


@dataclass(frozen=True)
class Link:
    """A link to a map.

    Attributes:
        token: 128 random bits; whoever has them may look.
        session: Whose the map is.
        map: Its id.
        files: Ids of the owner's files that the link gives: those of the map, and no others.
    """

    token: str
    session: str
    map: str
    files: tuple[str, ...] = ()

    def save(self) -> None:
        """Write it down.

        Raises:
            OutputError: It cannot be written.
        """
        told = {"session": self.session, "map": self.map, "files": list(self.files)}
        place = _place(self.token)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_json(place, told)

    def giving(self, files: tuple[str, ...]) -> Link:
        """The link with more files, written down where they are new."""
        if set(files) <= set(self.files):
            return self
        wider = replace(self, files=tuple(dict.fromkeys((*self.files, *files))))
        wider.save()
        return wider


def make_link(session: str, map_id: str) -> Link:
    """A new link to a map of a session.

    Raises:
        OutputError: It cannot be written.
    """
    link = Link(new_id(), session, map_id)
    link.save()
    return link


def find_link(token: str) -> Link | None:
    """The link of that token, unless there is none or it was withdrawn."""
    if not is_id(token):
        return None
    try:
        told = read_json_object(_place(token), _LINK)
        return Link(token, str(told["session"]), str(told["map"]), tuple(map(str, told["files"])))
    except (UsageError, KeyError, TypeError):
        return None


def links_to(session: str, map_id: str) -> tuple[Link, ...]:
    """The links that a session made to one of its maps."""
    tokens = sorted(one.stem for one in _folder().glob("*.json"))
    found = (find_link(token) for token in tokens)
    return tuple(one for one in found if one is not None and (one.session, one.map) == (session, map_id))


def withdraw(link: Link) -> None:
    """The link leads nowhere from now on."""
    _place(link.token).unlink(missing_ok=True)


def _folder() -> Path:
    return settings().work / "links"


def _place(token: str) -> Path:
    return _folder() / f"{token}.json"
