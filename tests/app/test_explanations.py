"""The explanation of a run on its page: asked for as a job, then told, then laid over the scene."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geo_xmodal_app import workspace
from geo_xmodal_app.explanations import maps_of
from geo_xmodal_app.jobs import queue
from geo_xmodal_app.layers import explanation_layers
from geo_xmodal_app.sessions import LOCAL
from tests.app.journey import put_run
from tests.app.test_pages import Visit, button, words
from tests.app.test_pages import visit as visit  # the fixture
from tests.tiny import write_raster
from tests.waiting import wait_until

FOUND = {
    "routines": {"gradcam": {"says": "It looks at the river. <script>x</script>", "files": ["gradcam.png"]}},
    "left_out": {"shap": "it has no trees"},
    "notes": ["one band is missing"],
}


@pytest.fixture
def run(visit: Visit) -> str:
    return put_run(LOCAL, {"oa": 0.5})


def explained(run: str) -> Path:
    entry = workspace.run(LOCAL, run)
    assert entry is not None
    folder = entry.folder / "explanation"
    folder.mkdir()
    (folder / "explanation.json").write_text(json.dumps(FOUND))
    (folder / "explanation.html").write_text("<h1>Explanation</h1>")
    Image.new("RGB", (4, 4)).save(folder / "gradcam.png")
    write_raster(folder / "gradcam.tif", np.random.default_rng(0).random((2, 40, 40)).astype(np.float32))
    return folder


def test_explain_starts_a_job_into_the_folder_of_the_run(visit: Visit, run: str) -> None:
    page = visit("training", run=run)
    assert any("geo-xmodal explain" in one.value and "--model=" in one.value for one in page.code)
    button(page, "Explain").click()  # type: ignore[attr-defined]
    page.run()
    (job,) = queue().jobs(LOCAL)
    entry = workspace.run(LOCAL, run)
    assert entry is not None and job.folder == entry.folder / "explanation"
    assert job.command.startswith("geo-xmodal explain") and job.state == "queued"
    assert "Waiting" in words(visit("training", run=run))


def test_an_explanation_is_told_with_its_pictures_and_what_was_left_out(visit: Visit, run: str) -> None:
    explained(run)
    page = visit("training", run=run)
    shown = words(page).replace("\\", "")
    assert not page.error and "It looks at the river" in shown
    assert "<script>" not in words(page)
    assert "SHAP: left out, it has no trees" in shown and "one band is missing" in shown
    assert any("data:image/png" in str(one.proto) for one in page.main if one.type == "html")


def test_maps_of_an_explanation_are_layers_over_the_scene(visit: Visit, run: str) -> None:
    folder = explained(run)
    entry = workspace.run(LOCAL, run)
    assert entry is not None and maps_of(entry) == [folder / "gradcam.tif"]
    wait_until(lambda: explanation_layers(LOCAL, run, maps_of(entry)).layers)
    (layer,) = explanation_layers(LOCAL, run, maps_of(entry)).layers
    assert layer.id == "explanation-gradcam" and len(layer.bands) == 2 and layer.visible
    page = visit("viewing", scene="sample:berlin", explained=run)
    assert not page.error
