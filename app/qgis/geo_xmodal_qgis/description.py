"""What the command can be asked, as `geo-xmodal describe --json` says it; `commands.json` is kept current."""

from __future__ import annotations

import functools
import json
from pathlib import Path


@functools.cache
def commands():
    """The commands by name; each option has the keys of `Described.as_json` in geo_xmodal."""
    text = Path(__file__).with_name("commands.json").read_text(encoding="utf-8")
    return {command["name"]: command for command in json.loads(text)["commands"]}


def options(command):
    """The options of a command that forms have."""
    return [one for one in commands()[command]["options"] if "forms" in one["surfaces"]]


def help_text(option, labels):
    """An option's sentence, with other options called as the form calls them, and what it applies to."""
    words = [option["help"].format_map({name: f"'{label}'" for name, label in labels.items()})]
    for name, values in option["applies"].items():
        words.append(f"Only with '{labels.get(name, name)}' {' or '.join(values)}.")
    if option["unit"]:
        words.append(f"In {option['unit']}.")
    if option["default_text"]:
        words.append(f"Empty: {option['default_text']}.")
    return " ".join(word for word in words if word)
