"""Each page in each of its states, without a browser: what it says, and that nothing of the server shows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import streamlit
from streamlit.testing.v1 import AppTest

import geo_xmodal as gx
from geo_xmodal_app import check_points, navigation, workspace
from geo_xmodal_app.drafts import apply_edits, drafts
from geo_xmodal_app.jobs import queue
from geo_xmodal_app.sessions import LOCAL, session_folder
from geo_xmodal_app.settings import VARIABLE, Settings
from tests.app.journey import put_run, put_upload
from tests.points import tables
from tests.rasters import outline_area, utm_grid, vrt_that_reads, write_sparse
from tests.rasters import write_raster as write_grid_raster
from tests.tiny import write_raster, write_scene

Visit = Callable[..., AppTest]
PAGES = ("home", "scenes", "drawing", "training", "mapping", "viewing", "validating", "takeaway", "project")
EVIL = "**bold** <script>hacked()</script> [x](http://evil.example)"


@pytest.fixture
def visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Visit:
    """Runs a page: `visit("scenes", scene="sample:berlin")`."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv(VARIABLE, Settings(work=tmp_path / "work", data=(data,)).model_dump_json())

    def run(name: str, **parameters: str) -> AppTest:
        script = f"from geo_xmodal_app.screens import {name}\n{name}.show()"
        page = AppTest.from_string(script, default_timeout=200)
        for key, value in parameters.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception, [element.value for element in page.exception]
        return page

    return run


def words(page: AppTest) -> str:
    kinds = (
        page.title,
        page.caption,
        page.markdown,
        page.info,
        page.warning,
        page.error,
        page.code,
        page.subheader,
    )
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def button(page: AppTest, label: str) -> object:
    return next(one for one in page.button if one.label == label)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_what_to_do_while_there_is_nothing(visit: Visit, name: str, tmp_path: Path) -> None:
    page = visit(name)
    assert not page.error
    assert page.button or page.selectbox
    assert str(tmp_path) not in words(page)


def test_no_page_imports_pytorch(tmp_path: Path) -> None:
    """In the server that would hold up every other page."""
    environment = {**os.environ, VARIABLE: Settings(work=tmp_path / "work").model_dump_json()}
    done = subprocess.run(
        [sys.executable, "-c", _ALL_PAGES, *PAGES],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.stdout.splitlines() == [*PAGES, "without PyTorch"], done.stderr[-2000:]


_ALL_PAGES = """
import sys
from streamlit.testing.v1 import AppTest
for name in sys.argv[1:]:
    script = f"from geo_xmodal_app.screens import {name}; {name}.show()"
    page = AppTest.from_string(script, default_timeout=200)
    page.query_params["scene"] = "sample:berlin"
    page.run()
    assert not page.exception and not page.error
    print(name)
print("with" if "torch" in sys.modules else "without", "PyTorch")
"""


@pytest.mark.parametrize(
    ("name", "parameter"),
    [("training", "run"), ("mapping", "map"), ("viewing", "scene"), ("scenes", "scene")],
)
@pytest.mark.parametrize("wanted", ["../../etc/passwd", "http://evil.example/", "<b>x</b>", "yours:.."])
def test_ids_of_an_address_are_looked_up_and_never_paths(
    visit: Visit, name: str, parameter: str, wanted: str
) -> None:
    page = visit(name, **{parameter: wanted})
    shown = words(page)
    assert "passwd" not in shown.replace("\\", "") or "there is no" in shown.replace("\\", "")
    assert "<b>" not in shown.replace("\\<b\\>", "")


def test_a_sample_scene_is_shown_with_its_grids_holes_and_classes(visit: Visit) -> None:
    page = visit("scenes", scene="sample:berlin")
    assert not page.error and not page.warning
    sensors, classes = (table.value for table in page.dataframe)
    assert list(sensors["sensor"]) == ["sar (target)", "hsi"]
    assert list(sensors["rows x columns"]) == ["460 x 400", "212 x 70"]
    assert list(sensors["CRS"]) == ["EPSG:32633"] * 2
    assert list(classes["class"])[:2] == ["Forest", "Residential Area"]
    assert int(classes.iloc[0, 1]) > 0


def test_a_scene_of_the_data_folder_is_offered_by_name(visit: Visit, tmp_path: Path) -> None:
    write_scene(tmp_path / "data" / "deep" / "tiny")
    page = visit("scenes")
    assert any("tiny (data folder" in option for option in page.selectbox[0].options)
    assert str(tmp_path) not in words(page)


def test_training_starts_a_job_with_the_command_that_is_shown(visit: Visit) -> None:
    page = visit("training", scene="sample:berlin", method="cnn")
    next(one for one in page.number_input if one.label == "epochs").set_value(3)
    page.run()
    assert "--epochs=3" in page.code[0].value
    assert "--method=cnn" in page.code[0].value
    assert "--scene=berlin" in page.code[0].value
    button(page, "Start training").click()  # type: ignore[attr-defined]
    page.run()
    (job,) = queue().jobs(LOCAL)
    assert job.state == "queued"
    assert "--epochs=3" in job.command
    (run,) = workspace.runs(LOCAL)
    watched = visit("training", run=run.id)
    assert "Waiting" in words(watched)
    button(watched, "Cancel").click()  # type: ignore[attr-defined]
    watched.run()
    assert queue().jobs(LOCAL)[0].state == "cancelled"


@pytest.mark.parametrize("method", sorted(gx.METHODS))
def test_every_method_can_be_asked_for_with_its_defaults(visit: Visit, method: str) -> None:
    page = visit("training", scene="sample:berlin", method=method)
    assert not page.error
    assert "--set" not in page.code[0].value


def test_options_that_cannot_be_are_said_before_anything_runs(visit: Visit) -> None:
    page = visit("training", scene="sample:berlin", method="hgr")
    next(one for one in page.text_input if one.label == "objective").set_value("nonsense")
    page.run()
    assert any("objective" in error.value and "choose one of" in error.value for error in page.error)
    assert not [one for one in page.button if one.label == "Start training"]


def test_a_finished_run_shows_measures_gain_and_its_report(visit: Visit) -> None:
    gain = {
        "oa": {"mean": 0.05, "se": 0.01},
        "aa": {"mean": 0.04, "se": None},
        "miou": {"mean": None, "se": None},
    }
    measures = {"oa": 0.71, "aa": 0.64, "kappa": 0.5, "miou": None, "gain": {"target_only": gain}}
    page = visit("training", run=put_run(LOCAL, measures))
    assert [metric.value for metric in page.metric] == ["71.0 %", "64.0 %", "50.0 %", "-"]
    assert list(page.dataframe[0].value.iloc[0]) == ["target only", "+5.0 ± 1.0", "+4.0", "-"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, "in one repetition, which may be luck"),
        (0.2, "which is within the standard error"),
        (0.02, "the auxiliary sensor did not help here"),
    ],
)
def test_of_a_better_control_no_more_is_said_than_is_known(
    visit: Visit, error: float | None, told: str
) -> None:
    gain = {"oa": {"mean": -0.16, "se": error}}
    page = visit("training", run=put_run(LOCAL, {"oa": 0.5, "gain": {"target_only": gain}}))
    (said,) = [one.value.replace("\\", "") for one in page.warning]
    assert said.endswith(told)


def test_a_control_that_is_better_is_said_and_maps(visit: Visit) -> None:
    gain = {"oa": {"mean": -0.16, "se": None}, "aa": {"mean": 0.01, "se": None}}
    slight = {"oa": {"mean": -0.01, "se": None}}
    run = put_run(LOCAL, {"oa": 0.5, "gain": {"self_training": slight, "target_only": gain}})
    folder = workspace.runs(LOCAL)[0].folder / "controls" / "target_only"
    for seed in ("seed-10", "seed-9"):
        shutil.copytree(gx.find_model("berlin-sar-hgr"), folder / seed / "model")
    page = visit("training", run=run)
    (said,) = [one.value.replace("\\", "") for one in page.warning]
    assert "control target only is ahead by 16.0 percentage points" in said and "undecided" not in words(page)
    assert "± " not in str(page.dataframe[0].value)  # one repetition has no standard error
    assert button(page, "Map with the control target only")
    assert workspace.runs(LOCAL)[0].controls["target_only"].name == "seed-9"
    (name,) = [one.name for one in workspace.models(LOCAL) if one.id.endswith("/target_only")]
    assert name == f"{run}, control target only"
    mapping = visit("mapping", model=f"run:{run}/target_only", scene="sample:berlin")
    assert not mapping.error and button(mapping, "Start mapping")


def test_an_export_that_ended_badly_is_dismissed(visit: Visit) -> None:
    visit("home")
    item = workspace.new_item(LOCAL, "maps", "town", {"command": "geo-xmodal map"})
    (item / "map.tif").write_bytes(b"II*\0")
    id_ = queue().submit(LOCAL, "GeoPackage of town", ["export", "--to=gpkg"], item / "export-gpkg")
    queue().cancel(LOCAL, id_)
    page = visit("takeaway", map=item.name)
    assert "Cancelled" in words(page)
    button(page, "Dismiss").click()  # type: ignore[attr-defined]
    page.run()
    assert not queue().jobs(LOCAL) and "Cancelled" not in words(visit("takeaway", map=item.name))


def test_a_finished_run_is_removed_on_its_page(visit: Visit) -> None:
    page = visit("training", run=put_run(LOCAL, {"oa": 0.5}))
    button(page, "Remove").click()  # type: ignore[attr-defined]
    page.run()
    assert not workspace.runs(LOCAL)


def test_a_thing_is_named_and_noted_and_runs_stand_side_by_side(visit: Visit) -> None:
    first, second = put_run(LOCAL, {"oa": 0.5}), put_run(LOCAL, {"oa": 0.75})
    page = visit("project", item=f"run:{first}")
    for field, text in (("Name", EVIL), ("Note", EVIL)):
        next(one for one in page.text_input if one.label == field).set_value(text)
    page.run()
    button(page, "Save").click()  # type: ignore[attr-defined]
    page.run()
    assert not page.error
    listed, compared = (one.value for one in page.dataframe)
    assert sorted(listed["overall accuracy"]) == [50, 75]
    assert set(listed["name"]) == {EVIL, second} == set(compared["run"])
    assert EVIL in set(compared["note"])
    next(one for one in page.multiselect if one.label == "Runs").set_value([f"run:{second}"])
    page.run()
    assert list(page.dataframe[1].value["run"]) == [second]
    said = words(visit("home"))
    assert "hacked" not in said
    assert any(r"\<script\>" in one.label for one in visit("home").button)
    assert visit("shared", link="0" * 32).error


def test_tables_show_all_of_their_rows(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    heights = []

    def spy(*_: object, height: object = "auto", **__: object) -> None:
        heights.append(height)

    monkeypatch.setattr(streamlit, "dataframe", spy)
    visit("scenes")
    visit("scenes", scene="sample:berlin")
    visit("training", run=put_run(LOCAL, {"oa": 0.5, "gain": {"target_only": {}}}))
    assert heights == ["content"] * 4


def test_a_model_that_does_not_fit_is_said_before_anything_runs(visit: Visit) -> None:
    page = visit("mapping", model="shipped:berlin-sar-hgr", scene="sample:houston")
    assert any("the model maps from" in error.value.replace("\\", "") for error in page.error)
    assert not [one for one in page.button if one.label == "Start mapping"]


def test_a_geotiff_is_mapped_by_its_bands(visit: Visit, tmp_path: Path) -> None:
    berlin = gx.open_scene("berlin").folder
    shutil.copy(berlin / "sar.tif", tmp_path / "data" / "radar.tif")
    page = visit("mapping", model="shipped:berlin-sar-hgr", file="data:data/radar.tif")
    assert "--input=data/radar.tif" in page.code[0].value
    page.multiselect[0].set_value([1, 2, 3])
    page.run()
    assert any("3 bands" in error.value for error in page.error)


def test_values_that_the_model_never_saw_are_mapped_on_request(visit: Visit, tmp_path: Path) -> None:
    berlin = gx.open_scene("berlin").folder
    with rasterio.open(berlin / "sar.tif") as dataset:
        loud, profile = dataset.read() * 1e4, dataset.profile
    with rasterio.open(tmp_path / "data" / "loud.tif", "w", **profile) as dataset:
        dataset.write(loud)
    page = visit("mapping", model="shipped:berlin-sar-hgr", file="data:data/loud.tif")
    (refused,) = [error.value.replace("\\", "") for error in page.error]
    assert "outside of the model's range" in refused
    assert "'Map values outside of the model's ranges' below" in refused and "--" not in refused
    assert not [one for one in page.button if one.label == "Start mapping"]
    page.checkbox[0].check()
    page.run()
    assert not page.error
    warned = [warning.value.replace("\\", "") for warning in page.warning]
    assert any("mapped nevertheless, as asked" in line for line in warned)
    button(page, "Start mapping").click()  # type: ignore[attr-defined]
    page.run()
    (job,) = queue().jobs(LOCAL)
    assert "--any-values" in job.command.split()


def test_what_a_map_should_be_right_about_is_asked(visit: Visit) -> None:
    page = visit("mapping", model="shipped:berlin-sar-hgr", scene="sample:berlin")
    question = next(one for one in page.selectbox if one.label == gx.SHARE_QUESTION)
    assert question.options[0] == "What the model's card says: every class alike"
    assert "--shares" not in page.code[0].value
    question.set_value("estimated").run()
    assert "--shares=estimated" in page.code[0].value
    question.set_value("table").run()
    assert "known area of each class" in page.error[0].value
    classes = gx.read_card(gx.find_model("berlin-sar-hgr")).legend
    assert [one.label.replace("\\", "") for one in page.number_input] == [land.name for land in classes]
    page.number_input[0].set_value(2.5)
    page.number_input[1].set_value(7.5).run()
    assert "--shares=known-areas.csv" in page.code[0].value
    button(page, "Start mapping").click()  # type: ignore[attr-defined]
    page.run()
    (job,) = queue().jobs(LOCAL)
    (table,) = session_folder(LOCAL, "maps").glob("*/known-areas.csv")
    assert table.read_text().splitlines()[:4] == ["id,area", "1,2.5", "2,7.5", "3,0.0"]
    assert f"--shares={table}" in job.command or "known-areas.csv" in job.command


@pytest.fixture
def two_layers(visit: Visit, tmp_path: Path) -> Path:
    """Polygons over two corners of berlin, a layer and a column each; in the data folder."""
    file, grid = tmp_path / "data" / "two.gpkg", gx.open_scene("berlin").grid
    for layer, col, column in (("west", 0, "cover"), ("east", 300, "crop")):
        boxes = [shapely.box(col + left, 10, col + left + 40, 60) for left in (0, 50)]
        on_map = shapely.transform(boxes, lambda xy: np.stack(grid.affine @ xy.T, axis=1))
        frame = geopandas.GeoDataFrame(
            {column: [f"{layer} 1", f"{layer} 2"]}, geometry=on_map, crs=grid.crs.to_wkt()
        )
        frame.to_file(file, layer=layer, driver="GPKG")
    return file


def test_a_part_is_mapped_of_one_of_several_layers(visit: Visit, two_layers: Path) -> None:
    page = visit("mapping", model="shipped:berlin-sar-hgr", scene="sample:berlin", area="data:data/two.gpkg")
    assert not page.error
    layers = next(one for one in page.selectbox if one.label == "Layer")
    assert layers.options == ["west", "east"]
    layers.select("east")
    page.run()
    assert "--area=data/two.gpkg:east" in page.code[0].value
    button(page, "Start mapping").click()  # type: ignore[attr-defined]
    page.run()
    (job,) = queue().jobs(LOCAL)
    assert f"--area={two_layers}:east" in job.command.split()


def test_labels_of_one_of_several_layers(visit: Visit, two_layers: Path) -> None:
    shutil.copy(gx.open_scene("berlin").folder / "sar.tif", two_layers.with_name("radar.tif"))
    shutil.copy(gx.open_scene("berlin").folder / "hsi.tif", two_layers.with_name("hsi.tif"))
    page = visit("scenes", new="1")
    page.multiselect[0].set_value([f"data:data/{name}" for name in ("radar.tif", "hsi.tif", "two.gpkg")])
    page.run()
    assert not page.error
    assert "--labels=data/two.gpkg:west:cover" in page.code[0].value
    next(one for one in page.selectbox if one.label == "Layer").select("east")
    page.run()
    assert next(one for one in page.selectbox if one.label == "Class column").options == ["crop"]
    assert list(page.dataframe[1].value["class"]) == ["east 1", "east 2"]
    assert not [one.value for one in page.warning if "no label was seen" in one.value]
    assert "--labels=data/two.gpkg:east:crop" in page.code[0].value


@pytest.fixture(scope="module")
def berlin_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a map and its sidecars."""
    folder = tmp_path_factory.mktemp("berlin_map")
    gx.map_scene(gx.find_model("berlin-sar-hgr"), gx.open_scene("berlin").reader("sar"), folder / "map.tif")
    return folder


@pytest.fixture
def mapped(berlin_map: Path) -> str:
    """A map of this session that was made elsewhere."""
    item = workspace.new_item(
        LOCAL, "maps", "berlin-map", {"scene": "sample:berlin", "command": "geo-xmodal map"}
    )
    shutil.copytree(berlin_map, item, dirs_exist_ok=True)
    return item.name


def test_a_map_is_viewed_with_its_areas_and_taken_away(visit: Visit, request: pytest.FixtureRequest) -> None:
    visit("home")
    name = request.getfixturevalue("mapped")
    page = visit("viewing", map=name)
    assert not page.error and not page.warning
    areas = page.dataframe[0].value
    assert areas["pixels"].sum() == 460 * 400
    expected = outline_area(gx.open_scene("berlin").grid) / 1e4
    assert areas["hectares"].sum() == pytest.approx(expected, rel=1e-6)
    table = (session_folder(LOCAL, "maps") / name / "areas.csv").read_text().splitlines()
    assert table[0] == "class,pixels,hectares,percent" and len(table) == len(areas) + 1
    files = visit("takeaway", map=name)
    assert not files.error
    button(files, "Make the GeoPackage").click()  # type: ignore[attr-defined]
    files.run()
    (job,) = queue().jobs(LOCAL)
    assert "--to=gpkg" in job.command
    assert "geo\\-xmodal" not in files.code[0].value


def test_a_map_is_validated_by_points_that_hide_what_it_says(
    visit: Visit, request: pytest.FixtureRequest
) -> None:
    visit("home")
    name = request.getfixturevalue("mapped")
    page = visit("validating", map=name)
    next(one for one in page.number_input if one.label == "Points of each class").set_value(1)
    page.run()
    button(page, "Draw the points").click()  # type: ignore[attr-defined]
    page.run()
    assert "What lies in the frame?" in words(page)
    folder = session_folder(LOCAL, "maps") / name
    with rasterio.open(folder / "map.tif") as dataset:
        ids = dataset.read(1)
    legend = {land.id: land.name for land in gx.open_scene("berlin").classes}
    kept = check_points.load(folder / "validation" / "points.json")
    assert kept is not None
    assert {int(ids[one.row, one.col]) for one in kept.points} == set(legend) & set(np.unique(ids).tolist())
    for one in kept.points[:-1]:
        button(page, legend[int(ids[one.row, one.col])]).click()  # type: ignore[attr-defined]
        page.run()
    button(page, "Cannot tell").click()  # type: ignore[attr-defined]
    page.run()
    assert f"{len(kept.points) - 1} of {len(kept.points)} points have an answer; 1 could not" in words(page)
    button(page, "Evaluate").click()  # type: ignore[attr-defined]
    page.run()
    (job,) = queue().jobs(LOCAL)
    assert "--sampled" in job.command
    reference = folder / "validation" / "reference.tif"
    result = gx.evaluate_map(folder / "map.tif", reference, sampled=True)
    assert result.metrics["oa"] == 1 and result.metrics["n"] == len(kept.points) - 1


def test_the_legend_of_a_map_is_edited_and_saved_as_another_map(visit: Visit) -> None:
    visit("home")
    item = workspace.new_item(LOCAL, "maps", "small", {"scene": "sample:berlin", "command": "geo-xmodal map"})
    grid = utm_grid(20, 20)
    place = write_grid_raster(item / "map.tif", np.full((1, 20, 20), 2, np.uint8), grid, nodata=0)
    names = ((1, "Oak", "#117733"), (2, "Beech", "#44aa99"), (3, "Water", "#2171b5"))
    with rasterio.open(place, "r+") as dataset:
        classes = [{"id": id_, "name": name, "color": color} for id_, name, color in names]
        dataset.update_tags(CLASSES=json.dumps(classes))
    page = visit("takeaway", map=item.name)
    assert not page.error
    for field in page.text_input:
        if field.label in ("1", "2", "3"):
            field.set_value({"1": "Forest", "2": "forest", "3": ""}[field.label])
    page.run()
    assert any("--to=geotiff" in one.value and "--reclass=3=" in one.value for one in page.code)
    choose(page, "Classes and colours", "worldcover")
    choose(page, "Beech", "10")
    (line,) = (one.value for one in page.code if "--to=geotiff" in one.value)
    assert "--classes=worldcover" in line and "--reclass=2=10" in line and line.endswith("--reclass=3=")
    choose(page, "Classes and colours", "")
    button(page, "Save as a map with this legend").click()  # type: ignore[attr-defined]
    page.run()
    (job,) = queue().jobs(LOCAL)
    argv = dict(word.split("=", 1) for word in job.command.split() if word.startswith("--"))
    assert job.folder.name == "small-legend"
    made = gx.export_map(
        item / "map.tif",
        job.folder / "map.tif",
        classes=argv["--classes"],
        reclass={"1": "Forest", "2": "Forest", "3": ""},
    )
    assert [(one.id, one.name, one.color) for one in made.classes] == [(1, "Forest", "#117733")]
    assert made.pixels == {1: 400}


def test_a_downloaded_map_takes_its_class_names_along(
    visit: Visit, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    visit("home")
    name = request.getfixturevalue("mapped")
    visit("takeaway", map=name)
    with zipfile.ZipFile(session_folder(LOCAL, "maps") / name / "map.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert {path.name for path in (tmp_path / "unpacked").iterdir()} == {
        f"{name}.tif", f"{name}.tif.aux.xml", f"{name}.qml",
    }  # fmt: skip
    notes = (tmp_path / "unpacked" / f"{name}.tif.aux.xml").read_text()
    assert "Forest" in notes and "Forest" in (tmp_path / "unpacked" / f"{name}.qml").read_text()


def test_a_link_to_a_missing_map_shows_no_other(visit: Visit, request: pytest.FixtureRequest) -> None:
    visit("home")
    request.getfixturevalue("mapped")
    for page in (visit("viewing", map="gone"), visit("takeaway", map="gone")):
        assert any("there is no 'gone' here" in one.value.replace("\\", "") for one in page.error)
        assert not page.dataframe


def test_a_name_keeps_its_letters_and_spaces(visit: Visit) -> None:
    visit("home")
    assert workspace.new_item(LOCAL, "scenes", "Müllheim Süd", {}).name == "Müllheim Süd"
    assert workspace.new_item(LOCAL, "scenes", "../a/b:c", {}).name == "a-b-c"


def test_what_was_cancelled_can_be_removed_and_resume_is_elsewhere(visit: Visit) -> None:
    page = visit("training", scene="sample:berlin", method="svm")
    button(page, "Start training").click()  # type: ignore[attr-defined]
    page.run()
    (run,) = workspace.runs(LOCAL)
    page = visit("training", run=run.id)
    button(page, "Cancel").click()  # type: ignore[attr-defined]
    page.run()
    columns = [one for one in page.columns if any(inner.label == "Resume" for inner in one.button)]
    assert not columns  # where Cancel was, nothing is
    button(page, "Remove").click()  # type: ignore[attr-defined]
    page.run()
    assert not workspace.runs(LOCAL) and not queue().jobs(LOCAL)


def test_a_fault_is_said_in_our_own_words(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    visit("home")

    def broken(session: str) -> None:
        raise RuntimeError("the secret of the program")

    monkeypatch.setattr(workspace, "finished_maps", broken)
    page = AppTest.from_file(str(Path(navigation.__file__).with_name("main.py")), default_timeout=200).run()
    assert not page.exception
    (said,) = [one.value for one in page.error]
    assert "a fault of the program, number" in said and "secret" not in said


def test_the_wizard_shows_what_was_found_and_makes_the_scene(visit: Visit, tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "elsewhere")
    visit("home")
    hyper = put_upload("raster", "hyper.tif", folder / "hsi.tif")
    radar = put_upload("raster", "radar.tif", folder / "sar.tif")
    labels = put_upload("labels", "labels.tif", folder / "test.tif")
    page = visit("scenes", new="1")
    for ids in ([hyper], [hyper, radar], [hyper, radar, labels]):  # what comes first need not map
        page.multiselect[0].set_value([f"upload:{id_}" for id_ in ids])
        page.run()
    assert not page.error
    sensors, classes = (table.value for table in page.dataframe)
    assert set(sensors["sensor"]) == {"radar.tif (target)", "hyper.tif"}
    assert list(classes["class"]) == ["class 1", "class 4", "class 9"]
    next(one for one in page.text_input if one.label.startswith("4")).set_value("Maize")
    page.run()
    line = page.code[0].value
    assert "--reference=radar.tif" in line and "--hsi=hyper.tif" in line and "--labels=labels.tif" in line
    button(page, "Make the scene").click()  # type: ignore[attr-defined]
    page.run()
    assert not page.error
    (job,) = queue().jobs(LOCAL)
    assert str(tmp_path) not in words(page)
    again = visit("scenes", new="1")  # a reload finds what was written
    assert next(one for one in again.text_input if one.label.startswith("4")).value == "Maize"
    assert not visit("scenes", new="2").dataframe  # another scene begins with nothing
    item = session_folder(LOCAL, "scenes") / job.folder.name
    argv = {one.partition("=")[0]: one.partition("=")[2] for one in job.command.split()}
    gx.align_scene(
        item / "scene",
        reference=argv["--reference"],
        modalities={"sar": argv["--reference"], "hsi": argv["--hsi"]},
        labels={"all": argv["--labels"]},
        copy="--copy" in argv,
    )
    assert workspace.scene(LOCAL, f"yours:{item.name}") is None  # not before its names are written
    assert not drafts(LOCAL)  # it was made
    apply_edits(item, item / "scene")
    made = workspace.scene(LOCAL, f"yours:{item.name}")
    assert made is not None and made.problem is None
    config = gx.read_config(made.folder)
    assert [entry.name for entry in config.classes] == ["class 1", "Maize", "class 9"]
    assert [modality.sensor for modality in config.modalities.values()] == ["radar.tif", "hyper.tif"]
    assert config.split is not None and config.split.kind == "blocks"


def choose(page: AppTest, label: str, value: str) -> AppTest:
    next(one for one in page.selectbox if label in one.label).set_value(value)
    return page.run()


def test_a_table_of_points_is_asked_for_its_crs_and_columns(visit: Visit, tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "elsewhere")
    shutil.copy(folder / "sar.tif", tmp_path / "data" / "radar.tif")
    grid = gx.describe_raster(folder / "sar.tif").grid
    spots = [(grid.affine @ (5.5 + k, 5.5), "ab"[k % 2]) for k in range(8)]
    rows = ["where,there,kind", *(f"{x},{y},{name}" for (x, y), name in spots)]
    (tmp_path / "data" / "points.csv").write_text("\n".join(rows))
    page = visit("scenes", new="1")
    page.multiselect[0].set_value(["data:data/radar.tif", "data:data/points.csv"])
    page.run()
    choose(choose(page, "column of x", "where"), "column of y", "there")
    asked = next(one for one in page.selectbox if "has no CRS: it is in" in one.label)
    assert asked.value is None and not page.error  # nothing is taken for granted
    assert not [one for one in page.button if one.label == "Make the scene"]
    choose(page, "has no CRS", "EPSG:32633")
    assert not page.error
    line = page.code[0].value
    assert "--labels=data/points.csv:kind" in line and "--coordinates=where,there" in line
    assert "--assign-crs=data/points.csv=EPSG:32633" in line and button(page, "Make the scene")
    choose(page, "has no CRS", "another")
    next(one for one in page.text_input if "EPSG" in one.label).set_value("EPSG:99").run()
    assert any("is not known" in one.value for one in page.error)


def test_values_of_one_name_are_one_class_and_one_without_is_left_out(visit: Visit, tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "elsewhere")
    for name in ("sar.tif", "train.tif", "test.tif"):
        shutil.copy(
            folder / name, tmp_path / "data" / name.replace("t", "labels-t", 1).replace("labels-tif", "tif")
        )
    files = [f"data:data/{path.name}" for path in sorted((tmp_path / "data").iterdir())]
    page = visit("scenes", new="1")
    page.multiselect[0].set_value(files)
    page.run()
    for field in page.text_input:
        if field.label.startswith("4"):
            field.set_value("class 1")
    page.run()
    assert not page.error
    line = page.code[0].value
    assert "'--reclass=1=class 1' '--reclass=4=class 1'" in line
    for field in page.text_input:
        if field.label.startswith(("4", "9")):
            field.set_value("Maize" if field.label.startswith("4") else "")
    page.run()
    assert "--reclass=9=" in page.code[0].value


def test_classes_of_one_colour_make_no_scene(visit: Visit, tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "elsewhere")
    for name in ("sar.tif", "test.tif"):
        shutil.copy(folder / name, tmp_path / "data" / name.replace("test", "labels"))
    page = visit("scenes", new="1")
    page.multiselect[0].set_value(["data:data/sar.tif", "data:data/labels.tif"])
    page.run()
    assert button(page, "Make the scene")
    assert len({one.value for one in page.color_picker}) == len(page.color_picker) == 3
    page.color_picker[1].set_value(page.color_picker[0].value)
    page.run()
    assert any("have the same colour" in one.value for one in page.error)
    assert not [one for one in page.button if one.label == "Make the scene"]
    begun = visit("scenes")
    assert "labels" in words(begun)
    button(begun, "Remove").click()  # type: ignore[attr-defined]
    begun.run()
    assert not [one for one in begun.button if one.label == "Go on"]


def test_zero_of_a_mask_can_be_a_class(visit: Visit, tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "elsewhere")
    shutil.copy(folder / "sar.tif", tmp_path / "data" / "radar.tif")
    with rasterio.open(folder / "sar.tif") as dataset:
        mask = np.zeros(dataset.shape, np.uint8)
    mask[10:20, 10:20] = 1
    write_raster(tmp_path / "data" / "labels.tif", mask)
    page = visit("scenes", new="1")
    page.multiselect[0].set_value(["data:data/radar.tif", "data:data/labels.tif"])
    page.run()
    assert any("0 means no label" in one.value for one in page.warning)
    assert not [one for one in page.button if one.label == "Make the scene"]
    next(one for one in page.toggle if one.label == "0 is a class").set_value(True)
    page.run()
    assert not page.error
    counts = page.dataframe[1].value
    assert list(counts["class"]) == ["value 0", "value 1"]
    assert list(counts.iloc[:, 1]) == [mask.size - 100, 100]
    assert "--labels=data/labels.tif" in page.code[0].value
    assert button(page, "Make the scene")


def test_a_file_of_another_kind_of_sensor_is_refused(visit: Visit, tmp_path: Path) -> None:
    shutil.copy(gx.open_scene("berlin").folder / "sar.tif", tmp_path / "data" / "lidar_2019.tif")
    page = visit("mapping", model="shipped:berlin-sar-hgr", file="data:data/lidar_2019.tif")
    assert any("maps from" in one.value and "lidar" in one.value for one in page.error)
    assert not [one for one in page.button if one.label == "Start mapping"]
    page.checkbox[0].check().run()
    assert not page.error and button(page, "Start mapping")


def test_hostile_files_are_refused_in_one_line_each_and_nothing_leaks(visit: Visit, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret of the server")
    data = tmp_path / "data"
    good = write_scene(tmp_path / "good")
    shutil.copy(good / "sar.tif", data / "radar.tif")
    (data / "vrt.tif").write_text(vrt_that_reads(secret))
    (data / "page.tif").write_text("<html><script>hacked()</script></html>")
    (data / "cut.tif").write_bytes((good / "sar.tif").read_bytes()[:-3000])
    write_sparse(data / "bomb.tif", 200_000, 4)
    page = visit("scenes", new="1")
    names = [f"data:data/{name}.tif" for name in ("radar", "vrt", "page", "cut", "bomb")]
    page.multiselect[0].set_value(names)
    page.run()
    assert not page.exception
    errors = [error.value.replace("\\", "") for error in page.error]
    for name in ("vrt", "page", "cut", "bomb"):
        assert len([line for line in errors if f"{name}.tif" in line]) == 1, (name, errors)
    shown = words(page).replace("\\", "")
    assert "secret" not in shown and str(tmp_path) not in shown
    assert all("\n" not in line for line in errors)


def test_a_side_car_beside_a_file_is_never_followed(visit: Visit, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"S" * 4096)
    good = write_scene(tmp_path / "good")
    shutil.copy(good / "sar.tif", tmp_path / "data" / "radar.tif")
    (tmp_path / "data" / "radar.tif.ovr").write_text(vrt_that_reads(secret))
    page = visit("scenes", new="1")
    page.multiselect[0].set_value(["data:data/radar.tif"])
    page.run()
    assert not page.error and not page.exception
    assert list(page.dataframe[0].value["sensor"]) == ["data/radar.tif (target)"]


def test_a_loop_of_links_in_a_data_folder_is_a_file_that_is_not_there(visit: Visit, tmp_path: Path) -> None:
    here, there = (tmp_path / "data" / name for name in ("here.tif", "there.tif"))
    here.symlink_to(there)
    there.symlink_to(here)
    page = visit("scenes", new="1")
    page.multiselect[0].set_value(["data:data/here.tif"])
    page.run()
    assert not page.exception
    assert any("no such file" in error.value.replace("\\", "") for error in page.error)


def test_what_is_taken_for_granted_is_said_before_and_after(visit: Visit, tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "good")
    shutil.copy(folder / "sar.tif", tmp_path / "data" / "radar.tif")
    features = np.full((64, 96, 96), 16, np.int8)
    write_raster(tmp_path / "data" / "embedding.tif", features)
    page = visit("scenes", new="1")
    page.multiselect[0].set_value(["data:data/radar.tif", "data:data/embedding.tif"])
    page.run()
    assert not page.error
    kinds = next(one for one in page.selectbox if one.label == "Kind")
    assert set(kinds.options) == {kind.title for kind in gx.KINDS.values()}
    (said,) = [one.value.replace("\\", "") for one in page.info if "Taken for granted" in one.value]
    assert "embedding.tif: does not say whose features: taken to be AlphaEarth" in said
    assert str(tmp_path) not in said
    scene = write_scene(tmp_path / "data" / "made")
    write_raster(scene / "hsi.tif", features)
    text = (scene / "scene.toml").read_text(encoding="utf-8")
    (scene / "scene.toml").write_text(text.replace('kind = "hsi"', 'kind = "embedding"'), encoding="utf-8")
    for name in ("scenes", "training"):
        shown = words(visit(name, scene="data:data/made")).replace("\\", "")
        assert "taken to be AlphaEarth" in shown and str(tmp_path) not in shown


def test_a_finished_map_and_run_say_what_was_taken_for_granted(
    visit: Visit, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    radar = tmp_path / "data" / "radar.tif"
    with rasterio.open(gx.open_scene("berlin").folder / "sar.tif") as dataset:
        pixels, profile = dataset.read(window=((0, 64), (0, 64))), dataset.profile
    with rasterio.open(radar, "w", **profile | {"width": 64, "height": 64}) as dataset:
        dataset.write(pixels)  # its bands have no names
    said = "bands are taken by their place"
    before = visit("mapping", model="shipped:berlin-sar-hgr", file="data:data/radar.tif")
    assert any(said in one.value and "data/radar" in one.value.replace("\\", "") for one in before.info)
    item = workspace.new_item(LOCAL, "maps", "radar", {"command": "geo-xmodal map"})
    model = gx.find_model("berlin-sar-hgr")
    gx.map_scene(model, gx.map_input([radar], gx.read_card(model)).reader, item / "map.tif")
    assert any(said in one.value for one in visit("mapping", map="radar").info)
    run = put_run(LOCAL, {"oa": 0.5, "assumptions": ["sar.tif: bands are taken by their place"]})
    assert any(said in one.value for one in visit("training", run=run).info)


def test_damaged_metrics_of_a_run_are_one_line(visit: Visit) -> None:
    visit("home")
    run = put_run(LOCAL, {"oa": 0.5})
    (workspace.runs(LOCAL)[0].folder / "metrics.json").write_bytes(b'{"oa": 0.5, \xff')
    page = visit("training", run=run)
    (line,) = [error.value.replace("\\", "") for error in page.error]
    assert "metrics.json" in line and "train again" in line


def test_markup_in_names_is_shown_as_text(visit: Visit, tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "data" / "evil")
    config = gx.read_config(folder).model_dump(mode="json")
    config["description"] = config["classes"][0]["name"] = EVIL
    gx.write_config(gx.SceneConfig.model_validate(config), folder)
    page = visit("scenes", scene="data:data/evil")
    shown = words(page)
    assert "hacked" in shown  # as text
    assert "<script>" not in shown.replace("\\<script\\>", "")
    assert "**bold**" not in shown
    assert "](http" not in shown.replace("\\]", "")


def test_files_that_do_not_meet_are_said_in_one_line(visit: Visit, tmp_path: Path) -> None:
    good = write_scene(tmp_path / "good")
    shutil.copy(good / "sar.tif", tmp_path / "data" / "radar.tif")
    write_raster(tmp_path / "data" / "hsi_far.tif", gx_ones(), west=900_000)
    write_raster(tmp_path / "data" / "hsi_nowhere.tif", gx_ones(), crs=None)
    page = visit("scenes", new="1")
    page.multiselect[0].set_value([f"data:data/{name}.tif" for name in ("radar", "hsi_far", "hsi_nowhere")])
    page.run()
    errors = " ".join(error.value.replace("\\", "") for error in page.error)
    assert "hsi_far.tif does not overlap" in errors
    assert "one has a CRS and the other has none" in errors
    assert any("has no CRS" in warning.value for warning in page.warning)
    assert not [one for one in page.button if one.label == "Make the scene"]


def gx_ones() -> object:
    import numpy as np

    return np.ones((3, 20, 20), np.float32)


def test_a_scene_of_points_is_shown_and_makes_no_map(visit: Visit, tmp_path: Path) -> None:
    frame = tables.table()
    frame["class"] = frame["class"].replace("water", EVIL)
    gx.import_points(
        tables.write_csv(frame, tmp_path / "t.csv"), tmp_path / "data" / "fields", tables.request()
    )
    page = visit("scenes", scene="data:data/fields")
    assert "make no map" in words(page)
    assert button(page, "Map it").disabled and button(page, "View it").disabled  # type: ignore[attr-defined]
    assert not button(page, "Train on it").disabled  # type: ignore[attr-defined]
    counts = page.dataframe[1].value
    assert counts.loc["crop", "train"] > 0
    for name in ("viewing", "mapping", "training"):
        visit(name, scene="data:data/fields")
    (tmp_path / "data" / "fields" / "points.csv").write_text("row,col\n1,2\n")
    assert "cannot be read" in words(visit("scenes", scene="data:data/fields"))
