"""Write what is made from the request models and kept in the repository: `python scripts/reference.py`."""

from __future__ import annotations

import json
from pathlib import Path

import geo_xmodal as gx
from geo_xmodal.commands.describing import known_words
from geo_xmodal.requests import REQUESTS, described, help_page, reference_page

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = Path("app", "qgis", "geo_xmodal_qgis")


def pages() -> dict[Path, str]:
    """The files, by their place in the repository; methods are those that ship, without extensions."""
    requests = REQUESTS.values()
    known = known_words([name for name, method in gx.METHODS.items() if _ships(method)])
    return {
        Path("docs", "reference.md"): reference_page(requests),
        PLUGIN / "commands.json": json.dumps(described(requests, known), indent=1) + "\n",
        PLUGIN / "help.html": help_page(requests),
    }


def _ships(method: object) -> bool:
    return type(method).__module__.startswith("geo_xmodal.")


if __name__ == "__main__":
    for place, text in pages().items():
        (ROOT / place).write_text(text, encoding="utf-8")
