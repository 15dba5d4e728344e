"""The word that a job has ended, as the browser gives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import geo_xmodal_app.bell as bell

_PAGE = """
<title>geo_xmodal</title><div id="root"><button hidden>Notify me</button></div>
<script type="module">
%s
window.ring = (data) => ring({ data, parentElement: document.querySelector("#root") });
window.look = (hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
};
</script>
"""


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    script = Path(bell.__file__).with_name("bell.js").read_text()
    made = chromium.new_page()
    made.set_content(_PAGE % script.replace("export default function", "function ring"))
    made.wait_for_function("window.look !== undefined")
    yield made
    made.close()


def test_the_title_says_it_to_who_looks_elsewhere_and_once(page: Any) -> None:
    ended = {"waits": False, "ended": "Done: Map berlin", "id": "1"}
    page.evaluate("(data) => ring(data)", {"waits": True, "ended": "", "id": "1"})
    assert page.title() == "geo_xmodal"
    page.evaluate("look(true)")
    page.evaluate("(data) => ring(data)", ended)
    assert page.title() == "● Done: Map berlin"
    page.evaluate("look(false)")
    assert page.title() == "geo_xmodal"
    page.evaluate("look(true)")
    page.evaluate("(data) => ring(data)", ended)  # a page that runs again
    assert page.title() == "geo_xmodal"
    page.evaluate("look(false)")
    page.evaluate("(data) => ring(data)", {**ended, "id": "2"})  # somebody looks: nothing to be said
    assert page.title() == "geo_xmodal"
