"""Write docs/reference.md from the request models."""

from __future__ import annotations

from pathlib import Path

from geo_xmodal.requests import REQUESTS, reference_page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"

if __name__ == "__main__":
    PAGE.write_text(reference_page(REQUESTS.values()), encoding="utf-8")
