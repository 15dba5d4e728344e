from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from geo_xmodal import bundle
from geo_xmodal.accuracy import MEASURES
from geo_xmodal.errors import (
    ClassSharesError,
    GeoXmodalError,
    LabelError,
    OutputError,
    ResumeError,
    TrainingDataError,
    UsageError,
)
from geo_xmodal.evaluation import evaluate_map
from geo_xmodal.mapping import map_scene
from geo_xmodal.memory import usable_processors
from geo_xmodal.scenes import open_scene
from geo_xmodal.training import TrainRequest, resolve, train_scene
from geo_xmodal.types import Progress, Window
from tests.tiny import HSI_COLUMNS, SIDE, truth, write_scene

QUICK = {
    "epochs": "2", "contrasts": "", "widths": "8,8", "embedding": "8", "teachers": "2", "unlabelled": "400",
    "batch_size": "128",
}  # fmt: skip


def request(**changes: Any) -> TrainRequest:
    values: dict[str, Any] = {"method": "hgr", "settings": QUICK}
    return TrainRequest.model_validate({**values, **changes})


@pytest.fixture
def scene_folder(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "tiny")


def read(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text())
    assert isinstance(value, dict)
    return value


def test_a_run_folder_holds_what_the_contract_says(scene_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    scores = train_scene(open_scene(scene_folder), out, request()).metrics
    assert sorted(path.name for path in out.iterdir()) == [
        "config.json", "log.jsonl", "metrics.json", "model", "report.html",
    ]  # fmt: skip
    assert read(out / "metrics.json") == json.loads(json.dumps(scores))
    assert scores["split"] == "test"
    assert {"oa", "aa", "kappa", "miou", "macro_f1", "ece", "per_class", "confusion", "n"} <= scores.keys()
    assert 0 <= scores["oa"] <= 1
    confusion = np.array(scores["confusion"])
    assert confusion.sum() == scores["n"]
    assert scores["oa"] == pytest.approx(np.trace(confusion) / confusion.sum())
    config = read(out / "config.json")
    assert config["options"]["epochs"] == 2
    assert config["method"] == "hgr"
    assert config["compute"] == {"device": "cpu", "precision": "float32"}
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    card = bundle.read_card(out)
    assert [entry.id for entry in card.classes] == [1, 4, 9]
    assert card.simulated
    assert card.auxiliary == "hsi"
    assert "hsi.tif" not in (out / "model" / "card.json").read_text()
    assert "SIMULATED" in (out / "report.html").read_text().upper()


def test_the_same_command_gives_the_same_bytes(scene_folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_scene(open_scene(scene_folder), tmp_path / name, request())
    for file in ("model/model.safetensors", "model/card.json", "metrics.json", "config.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_link_in_a_run_is_not_followed(tmp_path: Path) -> None:
    scene = open_scene(write_scene(tmp_path / "tiny"))
    (tmp_path / "run").mkdir()
    victim = tmp_path / "theirs.txt"
    victim.write_text("theirs")
    (tmp_path / "run" / "unfinished.txt").touch()
    (tmp_path / "run" / "config.json").symlink_to(victim)
    with pytest.raises(OutputError, match=r"run/config\.json is a link to .*theirs\.txt"):
        train_scene(scene, tmp_path / "run", TrainRequest(method="svm", resume=True))
    assert victim.read_text() == "theirs"


def test_every_choice_of_class_shares_is_told_of_one_model(scene_folder: Path, tmp_path: Path) -> None:
    scene = open_scene(scene_folder)
    trained = train_scene(scene, tmp_path / "one", TrainRequest(method="svm"))
    about = trained.metrics["shares"]
    assert (about["chosen"], about["drawn"], trained.shares) == ("labels", "as they lie", "labels")
    assert list(about["choices"]) == ["labels", "equal", "estimated"]
    assert {k: about["choices"]["labels"][k] for k in MEASURES} == {k: trained.metrics[k] for k in MEASURES}
    train = scene.read_labels("train", Window(0, 0, SIDE, SIDE))
    counts = {str(land.id): int((train == land.id).sum()) for land in scene.classes}
    total = sum(counts.values())
    assert about["choices"]["labels"]["shares"] == pytest.approx(
        {one: count / total for one, count in counts.items()}, abs=1e-6
    )
    assert about["learned"] == pytest.approx(dict.fromkeys(counts, 1 / 3), abs=1e-6)
    assert "What should the map be right about?" in (tmp_path / "one" / "report.html").read_text()
    for name, one in about["choices"].items():
        if "refused" in one:
            continue
        map_scene(tmp_path / "one", scene.reader("sar"), tmp_path / f"{name}.tif", shares=name)
        found = evaluate_map(tmp_path / f"{name}.tif", scene.folder / "test.tif").metrics
        assert found["oa"] == pytest.approx(one["oa"], abs=2e-3)
    asked = train_scene(scene, tmp_path / "two", TrainRequest(method="svm", shares="equal"))
    assert asked.accuracy == trained.choices["equal"]
    assert asked.choices["labels"] == trained.choices["labels"]
    first, second = (bundle.load(tmp_path / name) for name in ("one", "two"))
    assert first.card.weights_sha256 == second.card.weights_sha256
    assert second.card.shares is not None and second.card.shares.default == "equal"
    with pytest.raises(ResumeError, match="other options"):
        train_scene(scene, tmp_path / "two", TrainRequest(method="svm", shares="labels", resume=True))


def test_labels_drawn_class_by_class_say_nothing_of_shares(scene_folder: Path, tmp_path: Path) -> None:
    drawn = TrainRequest(method="svm", settings={"labels_per_class": "9"}, seeds=2)
    trained = train_scene(open_scene(scene_folder), tmp_path / "run", drawn)
    about = trained.metrics["shares"]
    assert (about["chosen"], about["drawn"]) == ("equal", "class by class")
    seeds = [one["oa"] for one in about["choices"]["equal"]["seeds"]]
    assert seeds == [one["oa"] for one in trained.metrics["seeds"]]
    assert trained.choices["labels"].oa.sd is not None
    all_of_them = TrainRequest(method="svm", settings={"labels_per_class": "100000"})
    trained = train_scene(open_scene(scene_folder), tmp_path / "all", all_of_them)
    assert trained.metrics["shares"]["drawn"] == "as they lie"


def test_known_areas_that_do_not_fit_are_refused_before_anything_trains(
    scene_folder: Path, tmp_path: Path
) -> None:
    scene, table = open_scene(scene_folder), tmp_path / "areas.csv"
    table.write_text("id,area\n1,10\n4,30\n")
    with pytest.raises(ClassSharesError, match="are missing"):
        train_scene(scene, tmp_path / "run", TrainRequest(method="svm", shares=table))
    assert not (tmp_path / "run").exists()
    table.write_text("id,area\n1,10\n4,30\n9,60\n")
    trained = train_scene(scene, tmp_path / "run", TrainRequest(method="svm", shares=table))
    assert trained.shares == "table"
    assert trained.metrics["shares"]["choices"]["table"]["shares"] == {"1": 0.1, "4": 0.3, "9": 0.6}
    table.unlink()
    assert trained.model.card.shares is not None
    assert trained.model.card.shares.table == pytest.approx((0.1, 0.3, 0.6))


def test_seeds_and_controls(scene_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    scores = train_scene(open_scene(scene_folder), out, request(seeds=2, seed=3, control=True)).metrics
    assert [run["seed"] for run in scores["seeds"]] == [3, 4]
    for measure in MEASURES:
        values = [run[measure] for run in scores["seeds"]]
        assert scores["mean"][measure] == pytest.approx(np.mean(values))
        assert scores["sd"][measure] == pytest.approx(np.std(values, ddof=1))
        assert scores[measure] == scores["mean"][measure]
        for control in ("target_only", "self_training"):
            others = [run[measure] for run in scores["controls"][control]["seeds"]]
            gain = scores["gain"][control][measure]
            assert gain["mean"] == pytest.approx(np.mean(np.subtract(values, others)))
            assert gain["se"] == pytest.approx(np.std(np.subtract(values, others), ddof=1) / np.sqrt(2))
    test_pixels = np.count_nonzero(open_scene(scene_folder).read_labels("test", Window(0, 0, SIDE, SIDE)))
    assert scores["n"] == sum(one["support"] for one in scores["per_class"]) == test_pixels
    assert scores["unmapped"] == 0
    matrices = [np.array(run["confusion"]) for run in scores["seeds"]]
    np.testing.assert_array_equal(scores["confusion_pooled"], matrices[0] + matrices[1])
    np.testing.assert_allclose(scores["confusion"], np.mean(matrices, axis=0))
    assert scores["oa"] == pytest.approx(np.trace(scores["confusion"]) / scores["n"])
    first, shipped = (bundle.read_card(folder) for folder in (out / "seed-3", out))
    assert first == shipped
    for control in ("target_only", "self_training"):
        for seed in (3, 4):
            folder = out / "controls" / control / f"seed-{seed}"
            card = bundle.read_card(folder)
            assert card.auxiliary is None
            assert card.network == first.network
            assert read(folder / "config.json")["seed"] == seed
            ours, theirs = read(out / f"seed-{seed}" / "config.json"), read(folder / "config.json")
            counts, others = ours["data"]["counts"], theirs["data"]["counts"]
            assert counts == others


def test_a_finished_seed_is_not_trained_again(scene_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    expected = train_scene(open_scene(scene_folder), out, request(seeds=2)).metrics
    written = (out / "seed-0" / "log.jsonl").stat().st_mtime_ns
    (out / ".model.lock").touch()  # of a process that was killed when the model was whole
    again = train_scene(open_scene(scene_folder), out, request(seeds=2, resume=True)).metrics
    assert again == expected
    assert (out / "seed-0" / "log.jsonl").stat().st_mtime_ns == written
    assert not (out / ".model.lock").exists()


class StopError(Exception):
    pass


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scene, `tiny`, and a run of it with its controls, `whole`."""
    folder = tmp_path_factory.mktemp("controlled")
    scene = open_scene(write_scene(folder / "tiny"))
    train_scene(scene, folder / "whole", request(control=True))
    return folder


@pytest.mark.parametrize("after", [0.1, 0.2, 0.5, 0.6, 0.9])
def test_a_stopped_experiment_resumes_to_the_same_bytes(
    controlled: Path, tmp_path: Path, after: float
) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if done > after * total:
            raise StopError

    scene = open_scene(controlled / "tiny")
    with pytest.raises(StopError):
        train_scene(scene, tmp_path / "run", request(control=True), stop)
    train_scene(scene, tmp_path / "run", request(control=True, resume=True))
    assert read(tmp_path / "run" / "metrics.json") == read(controlled / "whole" / "metrics.json")
    for part in (".", "controls/target_only/seed-0", "controls/self_training/seed-0"):
        weights = [
            folder / part / "model" / "model.safetensors"
            for folder in (controlled / "whole", tmp_path / "run")
        ]
        assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def stop_after(share: float) -> Progress:
    def stop(done: int, total: int, message: str) -> None:
        if done > share * total:
            raise StopError

    return stop


@pytest.mark.skipif(usable_processors() < 2, reason="one processor")
def test_a_run_goes_on_with_the_threads_that_it_was_begun_on(
    scene_folder: Path, tmp_path: Path, threads: Callable[[int], None]
) -> None:
    threads(2)
    few = {**QUICK, "teachers": "1", "least_steps": "4", "unlabelled": "200"}
    wanted = request(settings=few)
    expected = train_scene(open_scene(scene_folder), tmp_path / "whole", wanted).metrics
    with pytest.raises(StopError):
        train_scene(open_scene(scene_folder), tmp_path / "run", wanted, stop_after(0.6))
    threads(1)
    notes: list[str] = []
    resumed = request(settings=few, resume=True)
    observed = train_scene(open_scene(scene_folder), tmp_path / "run", resumed, note=notes.append).metrics
    assert observed == expected and torch.get_num_threads() == 1
    assert sum("with the 2 threads that the run was begun on, not 1" in line for line in notes) == 1
    weights = [tmp_path / name / "model" / "model.safetensors" for name in ("whole", "run")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert read(tmp_path / "run" / "config.json")["threads"] == 2
    assert "2; another number gives another model" in (tmp_path / "run" / "report.html").read_text()
    again: list[str] = []
    train_scene(open_scene(scene_folder), tmp_path / "run", resumed, note=again.append)
    assert not any("threads" in line for line in again)  # of a finished run nothing is computed


def test_a_run_that_cannot_have_its_threads_any_more_says_so(scene_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StopError):
        train_scene(open_scene(scene_folder), tmp_path / "run", request(), stop_after(0.7))
    config = read(tmp_path / "run" / "config.json")
    assert config["threads"] == torch.get_num_threads()
    (tmp_path / "run" / "config.json").write_text(json.dumps(config | {"threads": 4096}))
    notes: list[str] = []
    scores = train_scene(
        open_scene(scene_folder), tmp_path / "run", request(resume=True), note=notes.append
    ).metrics
    (line,) = (line for line in notes if "threads" in line)
    assert "begun on 4096 threads" in line and line in scores["notes"]


def test_a_class_that_was_renamed_does_not_forbid_to_resume(scene_folder: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if done > total / 2:
            raise StopError

    folder = shutil.copytree(scene_folder, tmp_path / "scene")
    with pytest.raises(StopError):
        train_scene(open_scene(folder), tmp_path / "run", request(), stop)
    text = (folder / "scene.toml").read_text()
    first = open_scene(folder).classes[0].name
    (folder / "scene.toml").write_text(text.replace(f'name = "{first}"', 'name = "Quite another"'))
    train_scene(open_scene(folder), tmp_path / "run", request(resume=True))
    assert bundle.load(tmp_path / "run").card.classes[0].name == "Quite another"


def test_resuming_with_other_options_is_refused(scene_folder: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if done > total / 2:
            raise StopError

    with pytest.raises(StopError):
        train_scene(open_scene(scene_folder), tmp_path / "run", request(), stop)
    begun = (tmp_path / "run" / "config.json").read_bytes()
    for other, words in (
        (
            request(resume=True, precision="bf16"),
            "was begun on device cpu, precision float32, not on device cpu",
        ),
        (request(resume=True, settings={**QUICK, "noise": "0.5"}), "other options"),
    ):
        with pytest.raises(ResumeError, match=words):
            train_scene(open_scene(scene_folder), tmp_path / "run", other)
        assert (tmp_path / "run" / "config.json").read_bytes() == begun


def test_a_device_that_is_not_there_is_refused_before_any_work(scene_folder: Path, tmp_path: Path) -> None:
    scene = open_scene(scene_folder)
    (scene_folder / "sar.tif").unlink()
    with pytest.raises(UsageError, match=r"device=mps: .* use device=auto"):
        train_scene(scene, tmp_path / "run", request(device="mps"))
    assert not (tmp_path / "run").exists()


def test_training_needs_no_other_folder_but_out(scene_folder: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in scene_folder.iterdir()}
    train_scene(open_scene(scene_folder), tmp_path / "run", request(method="svm", settings={}))
    assert {path: path.stat().st_mtime_ns for path in scene_folder.iterdir()} == before


def test_methods_without_the_auxiliary_sensor_do_not_need_its_file(
    scene_folder: Path, tmp_path: Path
) -> None:
    (scene_folder / "hsi.tif").unlink()
    settings = {key: value for key, value in QUICK.items() if key != "teachers"}
    for method, own in (("svm", {}), ("cnn", settings)):
        scores = train_scene(
            open_scene(scene_folder), tmp_path / method, request(method=method, settings=own)
        ).metrics
        assert scores["n"] > 0
    with pytest.raises(TrainingDataError):
        train_scene(open_scene(scene_folder), tmp_path / "hgr", request())


def test_an_older_run_gives_way_and_other_things_do_not(scene_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train_scene(open_scene(scene_folder), out, request(method="svm", settings={}, seeds=2, control=False))
    train_scene(open_scene(scene_folder), out, request(method="svm", settings={}))
    assert not (out / "seed-0").exists()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    with pytest.raises(OutputError, match="not empty"):
        train_scene(open_scene(scene_folder), other, request(method="svm", settings={}))
    assert (other / "chapter.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"method": "hgrr"}, "did you mean 'hgr'"),
        ({"settings": {"epoch": "3"}}, "did you mean 'epochs'"),
        ({"settings": {"epochs": "many"}}, "epochs"),
        ({"settings": {"kernels": "4,3"}}, "odd"),
        ({"settings": {"objective": "magic"}}, "objective"),
        ({"settings": {"seed": "3"}}, "no setting 'seed'"),
    ],
)
def test_requests_that_have_no_meaning(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match) as caught:
        resolve(request(**changes), "sar")
    assert "\n" not in str(caught.value)


def test_controls_follow_the_options_of_the_method() -> None:
    plan = resolve(request(control=True, settings={**QUICK, "noise": "0.25", "learning_rate": "0.01"}), "sar")
    assert [variant.name for variant in plan.controls] == ["target_only", "self_training"]
    for variant in plan.controls:
        for name in ("noise", "learning_rate", "epochs", "batch_size", "network", "margin"):
            assert getattr(variant.options, name) == getattr(plan.main.options, name)


def test_a_recipe_for_the_kind_of_target_lies_beneath_what_the_user_sets() -> None:
    def options(kind: str, **settings: str) -> dict[str, Any]:
        plan = resolve(request(control=True, settings=settings), kind)
        assert all(control.options.network == plan.main.options.network for control in plan.controls)
        return plan.main.options.model_dump()

    lidar, sar = options("lidar"), options("sar")
    assert (lidar["encoder"], lidar["contrasts"], lidar["augment"]) == ("tanh_cnn", (), False)
    assert (sar["encoder"], sar["contrasts"], sar["augment"]) == ("pixel_cnn", (7, 15), True)
    mixed = options("lidar", encoder="pixel_cnn", contrasts="5")
    assert (mixed["encoder"], mixed["contrasts"], mixed["augment"]) == ("pixel_cnn", (5,), False)


def test_a_run_takes_the_recipe_for_the_sensor_that_it_maps_from(scene_folder: Path, tmp_path: Path) -> None:
    place = scene_folder / "scene.toml"
    place.write_text(place.read_text().replace('kind = "sar"', 'kind = "lidar"'))
    assert open_scene(scene_folder).modality(open_scene(scene_folder).target).kind == "lidar"
    settings = {key: value for key, value in QUICK.items() if key not in ("contrasts", "teachers")}
    train_scene(open_scene(scene_folder), tmp_path / "run", request(method="cnn", settings=settings))
    assert read(tmp_path / "run" / "config.json")["options"]["encoder"] == "tanh_cnn"


def test_the_gain_of_cca_is_that_over_the_same_svm(scene_folder: Path, tmp_path: Path) -> None:
    wanted = request(method="cca", control=True, settings={"C": "10"})
    out = tmp_path / "run"
    scores = train_scene(open_scene(scene_folder), out, wanted).metrics
    assert set(scores["gain"]) == set(scores["controls"]) == {"target_only"}
    alone = train_scene(
        open_scene(scene_folder), tmp_path / "svm", request(method="svm", settings={"C": "10"})
    ).metrics
    assert scores["gain"]["target_only"]["oa"]["mean"] == pytest.approx(scores["oa"] - alone["oa"])
    config = read(out / "controls" / "target_only" / "seed-0" / "config.json")
    assert (config["method"], config["auxiliary"], config["options"]["C"]) == ("svm", None, 10)
    assert "linear SVM" in (out / "report.html").read_text()
    assert "the unlabelled pixels" not in (out / "report.html").read_text()


@pytest.mark.parametrize("method", ["svm", "cnn"])
def test_without_the_auxiliary_sensor_no_gain_is_told(
    scene_folder: Path, tmp_path: Path, method: str
) -> None:
    told: list[str] = []
    settings = {} if method == "svm" else {k: v for k, v in QUICK.items() if k != "teachers"}
    out = tmp_path / "run"
    scores = train_scene(
        open_scene(scene_folder), out, request(method=method, control=True, settings=settings),
        note=told.append,
    ).metrics  # fmt: skip
    assert not {"gain", "controls"} & scores.keys()
    assert not (out / "controls").exists()
    assert scores["notes"] == told
    assert f"{method} does not see the auxiliary sensor" in told[0]
    assert told[0] in (out / "report.html").read_text()


def dense(scene_folder: Path) -> Path:
    """The scene with a test label on every pixel that has none for training."""
    import rasterio

    with rasterio.open(scene_folder / "train.tif") as train:
        trained = train.read(1) > 0
    with rasterio.open(scene_folder / "test.tif", "r+") as labels:
        labels.write(np.where(trained, 0, truth()), 1)
    return scene_folder


def test_a_control_that_lacks_pixels_is_left_out_and_the_other_stays(
    scene_folder: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    trained: set[str] = set()

    def progress(done: int, total: int, message: str) -> None:
        assert done <= total
        if total:
            assert told  # before anything trains
            trained.add(message.split(", ")[1])

    out = tmp_path / "run"
    scores = train_scene(
        open_scene(dense(scene_folder)), out, request(control=True), progress, note=told.append
    ).metrics
    assert set(scores["gain"]) == set(scores["controls"]) == {"target_only"}
    assert trained == {"hgr", "target_only"}
    assert scores["notes"] == told == read(out / "metrics.json")["notes"]
    overlap, line = told
    assert overlap.startswith("windows of 7 x 7 pixels around 50.0% of the test pixels share pixels")
    assert overlap in (out / "report.html").read_text()
    assert line.startswith("control self_training is left out: ")
    assert "each patch of 7 x 7 pixels around one holds a test or validation pixel" in line
    assert line in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"unlabelled": "0"}, "unlabelled=0 asks for none"),
        ({"transductive": "true", "validation": "0"}, "has a value in every band of both sensors"),
    ],
)
def test_why_there_are_no_unlabelled_pixels(
    scene_folder: Path, tmp_path: Path, settings: dict[str, str], cause: str
) -> None:
    import rasterio

    with rasterio.open(scene_folder / "train.tif") as train:
        trained = train.read(1)[:, :HSI_COLUMNS] > 0
    with rasterio.open(scene_folder / "hsi.tif", "r+") as hsi:
        hsi.write(np.where(trained, hsi.read(), np.nan).astype("float32"))
    scores = train_scene(
        open_scene(scene_folder), tmp_path / "run", request(control=True, settings={**QUICK, **settings})
    ).metrics
    assert [cause in line for line in scores["notes"]] == [True]


def test_a_method_that_lacks_pixels_fails_before_anything_is_written(
    scene_folder: Path, tmp_path: Path
) -> None:
    wanted = request(method="x_modalnet", settings={"epochs": "1"}, control=True)
    with pytest.raises(TrainingDataError, match="x_modalnet gives labels to unlabelled pixels"):
        train_scene(open_scene(dense(scene_folder)), tmp_path / "run", wanted)
    assert not (tmp_path / "run").exists()


def test_one_class_only_is_said(scene_folder: Path, tmp_path: Path) -> None:
    import rasterio

    with rasterio.open(scene_folder / "train.tif", "r+") as labels:
        values = labels.read(1)
        labels.write(np.where(values == 4, values, 0).astype(values.dtype), 1)
    with pytest.raises(LabelError, match="at least two classes"):
        train_scene(open_scene(scene_folder), tmp_path / "deep" / "run", request())
    assert not (tmp_path / "deep").exists()


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_bad_labels_do_not_cost_the_earlier_run(scene_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train_scene(open_scene(scene_folder), out, request(method="svm", settings={}, seeds=2))
    before = everything(out)
    (scene_folder / "train.tif").unlink()
    with pytest.raises(GeoXmodalError):
        train_scene(open_scene(scene_folder), out, request(method="svm", settings={}))
    assert everything(out) == before


def test_a_failure_before_the_first_epoch_leaves_nothing(scene_folder: Path, tmp_path: Path) -> None:
    wild = request(settings={**QUICK, "learning_rate": "1e30", "optimizer": "adam"})
    with pytest.raises(TrainingDataError, match="not finite"):
        train_scene(open_scene(scene_folder), tmp_path / "run", wild)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    with pytest.raises(TrainingDataError, match="not finite"):
        train_scene(open_scene(scene_folder), tmp_path / "run", wild)
    assert list((tmp_path / "run").iterdir()) == []


def test_resuming_what_is_finished_changes_nothing(scene_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    expected = train_scene(open_scene(scene_folder), out, request(control=True)).metrics
    assert set(expected["controls"]) == set(expected["gain"]) == {"target_only", "self_training"}
    before = everything(out)
    assert train_scene(open_scene(scene_folder), out, request(control=True, resume=True)).metrics == expected
    assert everything(out) == before
    alone = train_scene(open_scene(scene_folder), out, request(resume=True)).metrics
    assert not {"controls", "gain"} & alone.keys()
    with pytest.raises(ResumeError, match="finished run with other options"):
        train_scene(open_scene(scene_folder), out, request(resume=True, seed=1))


def test_training_anew_leaves_nothing_of_the_earlier_run(scene_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train_scene(open_scene(scene_folder), out, request(method="svm", settings={}))

    def stop(done: int, total: int, message: str) -> None:
        if done > total / 4:
            raise StopError

    with pytest.raises(StopError):
        train_scene(open_scene(scene_folder), out, request(seeds=2), stop)
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "seed-0", "unfinished.txt"]
