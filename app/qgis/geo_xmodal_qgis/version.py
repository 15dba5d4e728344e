"""The plugin's version."""

from __future__ import annotations

import configparser
from pathlib import Path


def plugin_version():
    """The version in metadata.txt, that of the geo_xmodal it was released with."""
    parser = configparser.ConfigParser()
    parser.read(str(Path(__file__).parent / "metadata.txt"), encoding="utf-8")
    return parser["general"]["version"]
