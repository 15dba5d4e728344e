"""A run's report in a frame of its own that runs no script and shares nothing with the page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_HEIGHT = 760
_MAX_BYTES = 32 << 20

_SCRIPT = """
export default function ({ parentElement, data }) {
  const frame = parentElement.querySelector("iframe");
  if (frame.srcdoc !== data.page) frame.srcdoc = data.page;
}
"""

_STYLE = f"""
iframe {{ width: 100%; height: {_HEIGHT}px; border: 1px solid var(--st-border-color); border-radius: 6px; }}
"""


def show_report(path: Path) -> None:
    """Show a self-contained HTML page."""
    if path.stat().st_size > _MAX_BYTES:
        st.caption("The report is large: download it to read it.")
        return
    frame = st.components.v2.component(
        "geo_xmodal_report",
        html='<iframe sandbox="" title="Report of the run"></iframe>',
        css=_STYLE,
        js=_SCRIPT,
    )
    frame(data={"page": path.read_text(encoding="utf-8")}, key=f"report-{path.parent.parent.name}")
