"""The queue, with real commands: order, cancel, resume, and what a restart finds."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from geo_xmodal.errors import SceneError, UsageError
from geo_xmodal_app import processes, workspace
from geo_xmodal_app.drafts import SCENE
from geo_xmodal_app.job_records import Record, read_records, write_record
from geo_xmodal_app.jobs import Job, Queue
from geo_xmodal_app.sessions import new_id, session_path
from geo_xmodal_app.settings import VARIABLE, Settings
from tests import tiny
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(900)  # real commands, on machines that do much else

ANNA, BEN = new_id(), new_id()
QUICK = ["--method=hgr", "--set=unlabelled=300", "--set=teachers=1"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scene(tmp_path_factory.mktemp("scenes") / "tiny")


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = Settings(work=tmp_path / "work", session_jobs=4)
    monkeypatch.setenv(VARIABLE, made.model_dump_json())
    return made


@pytest.fixture
def open_queue(chosen: Settings) -> Iterator[Callable[[], Queue]]:
    """Queues on one work folder; a second one is what a restarted server has."""
    opened: list[Queue] = []

    def start() -> Queue:
        opened.append(Queue(chosen))
        return opened[-1]

    yield start
    for one in opened:
        one.stop()
    for record in read_records(chosen.work):
        if record.running is not None:
            processes.tell(record.running, signal.SIGKILL)


def state(queue: Queue, id_: str, session: str = ANNA) -> Job:
    found = queue.job(session, id_)
    assert found is not None
    return found


def record(chosen: Settings, id_: str) -> Record:
    return next(one for one in read_records(chosen.work) if one.id == id_)


def simulate(out: Path) -> list[str]:
    """A command that starts in a second, as it imports no PyTorch."""
    return ["simulate", str(out), "--like=berlin"]


def long_train(scene: Path, out: Path) -> list[str]:
    return ["train", f"--scene={scene}", f"--out={out}", "--epochs=5000", *QUICK]


def test_a_job_runs_to_its_end(open_queue: Callable[[], Queue], tmp_path: Path) -> None:
    queue, out = open_queue(), tmp_path / "made"
    id_ = queue.submit(ANNA, "a scene", [*simulate(out), "--rows=64", "--cols=64"], out)
    waiting = state(queue, id_)
    assert (waiting.state, waiting.ahead, waiting.started) == ("queued", 0, None)
    assert waiting.command.startswith("geo-xmodal simulate ")
    queue.start()
    wait_until(lambda: state(queue, id_).state == "done")
    done = state(queue, id_)
    assert done.ended is not None and done.started is not None
    assert done.ended > done.started
    assert done.done == done.total > 0
    assert done.folder == out
    result = queue.result(ANNA, id_)
    assert result is not None
    assert result["height"] == 64
    assert (out / "scene.toml").is_file()


def test_a_short_job_has_a_lane_beside_a_long_one(
    chosen: Settings, open_queue: Callable[[], Queue], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def start(argv: Sequence[str], *_: object) -> tuple[processes.Running, subprocess.Popen[bytes]]:
        started.append(argv[0])
        child = subprocess.Popen(["sleep", "60"], start_new_session=True)
        return processes.Running(child.pid, psutil.Process(child.pid).create_time()), child

    monkeypatch.setattr(processes, "start", start)
    queue = open_queue()
    for command in ("train", "train", "map", "export"):
        queue.submit(ANNA, command, [command, "--out=x"], tmp_path)
    for _ in range(4):
        queue._start_next()
    assert started == ["train", "map"]


def test_one_that_fails_says_why(open_queue: Callable[[], Queue], tmp_path: Path) -> None:
    queue = open_queue()
    queue.start()
    id_ = queue.submit(
        ANNA, "a run", ["train", "--scene=/no/such", f"--out={tmp_path / 'r'}"], tmp_path / "r"
    )
    wait_until(lambda: state(queue, id_).state == "failed")
    failed = state(queue, id_)
    assert failed.doing.startswith("no scene")
    assert not failed.resumable
    assert queue.result(ANNA, id_) is None


def test_cancel_then_resume(open_queue: Callable[[], Queue], scene: Path, tmp_path: Path) -> None:
    queue, out = open_queue(), tmp_path / "run"
    id_ = queue.submit(ANNA, "long", long_train(scene, out), out)
    second = queue.submit(ANNA, "next", long_train(scene, tmp_path / "next"), tmp_path / "next")
    queue.cancel(ANNA, second)
    assert state(queue, second).state == "cancelled"
    queue.start()
    wait_until(lambda: (out / "log.jsonl").is_file() and state(queue, id_).seconds_left)
    assert state(queue, id_).state == "running"
    queue.cancel(ANNA, id_)
    assert state(queue, id_).doing == "stopping"
    wait_until(lambda: state(queue, id_).state == "cancelled")
    assert (out / "log.jsonl").is_file()
    rows = len((out / "log.jsonl").read_text().splitlines())
    assert state(queue, id_).resumable
    queue.resume(ANNA, id_)
    assert state(queue, id_).command.endswith("--resume")
    wait_until(lambda: state(queue, id_).state == "running" and state(queue, id_).done > rows)
    assert state(queue, second).state == "cancelled"


def test_sessions_are_apart(open_queue: Callable[[], Queue], tmp_path: Path) -> None:
    queue = open_queue()
    id_ = queue.submit(ANNA, "mine", ["train", "--scene=berlin"], tmp_path / "r")
    assert queue.jobs(BEN) == ()
    assert queue.job(BEN, id_) is None
    for act in (queue.cancel, queue.resume, queue.forget, queue.result, queue.notes):
        with pytest.raises(UsageError, match="no such job"):
            act(BEN, id_)
    assert state(queue, id_).state == "queued"


def test_nobody_waits_for_all_jobs_of_another(open_queue: Callable[[], Queue], tmp_path: Path) -> None:
    queue = open_queue()
    argv = ["train", "--scene=/no/such"]
    mine = [queue.submit(ANNA, f"{number}", argv, tmp_path) for number in range(4)]
    with pytest.raises(UsageError, match="4 of your jobs"):
        queue.submit(ANNA, "one more", argv, tmp_path)
    theirs = queue.submit(BEN, "first", argv, tmp_path)
    queue.start()
    wait_until(lambda: state(queue, theirs, BEN).ended)
    first, second = state(queue, mine[0]).started, state(queue, mine[1]).started
    assert first is not None
    assert first < (state(queue, theirs, BEN).started or 0.0) < (second or time.time())
    for one in mine:
        queue.cancel(ANNA, one)


@pytest.mark.parametrize("argv", [[], ["serve"], ["rm", "-rf"], ["--help"], ["-c", "print()"], ["train;ls"]])
def test_only_known_commands(open_queue: Callable[[], Queue], tmp_path: Path, argv: list[str]) -> None:
    with pytest.raises(UsageError, match="expected one of"):
        open_queue().submit(ANNA, "x", argv, tmp_path)


def test_a_killed_server_finds_its_jobs_again(
    open_queue: Callable[[], Queue], chosen: Settings, tmp_path: Path
) -> None:
    """What is left on disk by a queue that is never stopped is what a killed server leaves."""
    first, out = open_queue(), tmp_path / "made"
    id_ = first.submit(ANNA, "long", [*simulate(out), "--rows=9000", "--cols=9000"], out)
    waiting = first.submit(ANNA, "next", ["train", "--scene=/no/such"], tmp_path / "next")
    first.start()
    wait_until(lambda: state(first, id_).state == "running" and record(chosen, id_).pid)
    first._stop.set()  # its thread ends, its process goes on
    second = open_queue()
    assert state(second, id_).state == "running"
    assert state(second, waiting).state == "queued"
    second.start()
    wait_until(lambda: state(second, id_).done > 0)
    assert state(second, waiting).state == "queued"
    pid = record(chosen, id_).pid
    assert pid is not None
    psutil.Process(pid).kill()
    psutil.Process(pid).wait() if psutil.pid_exists(pid) else None
    wait_until(lambda: state(second, id_).state == "interrupted")
    wait_until(lambda: state(second, waiting).state == "failed")


def test_a_job_whose_number_was_not_written_down_is_found_and_not_begun_again(
    open_queue: Callable[[], Queue], chosen: Settings, tmp_path: Path
) -> None:
    """The server died between the start of the process and the note of its number."""
    queue = open_queue()
    work = [*simulate(tmp_path / "made"), "--rows=9000", "--cols=9000"]  # not done before it is cancelled
    ids = [queue.submit(ANNA, "x", work, tmp_path) for _ in "ab"]
    for id_ in ids:
        ours = record(chosen, id_)
        write_record(chosen.work, ours.model_copy(update={"state": "running", "started": 1.0}))
    place = record(chosen, ids[0]).place(chosen.work)
    _, child = processes.start(work, place, ids[0])
    again = open_queue()
    again.start()
    wait_until(lambda: state(again, ids[1]).state == "interrupted")
    assert state(again, ids[0]).state == "running"
    assert psutil.Process(child.pid).nice() > psutil.Process().nice()  # pages come first
    again.cancel(ANNA, ids[0])
    child.wait()
    wait_until(lambda: state(again, ids[0]).state == "cancelled")


def test_a_job_that_ended_meanwhile_is_told_by_what_it_left(
    open_queue: Callable[[], Queue], chosen: Settings, tmp_path: Path
) -> None:
    queue = open_queue()
    endings = {'{"oa": 1}': "done", '{"oa"': "interrupted", "": "interrupted"}
    ids = {}
    for text in endings:
        id_ = queue.submit(ANNA, "x", ["train", "--scene=berlin"], tmp_path)
        ids[id_] = endings[text]
        ours = record(chosen, id_)
        place = ours.place(chosen.work)
        gone = ours.model_copy(update={"state": "running", "started": 1.0, "pid": 2**22 - 7, "born": 1.0})
        (place / "job.json").write_text(gone.model_dump_json())
        (place / "result.json").write_text(text)
    again = open_queue()
    again.start()
    for id_, ending in ids.items():
        wait_until(lambda id_=id_, ending=ending: state(again, id_).state == ending)


def test_another_process_with_the_same_number_is_not_ours(
    open_queue: Callable[[], Queue], chosen: Settings, tmp_path: Path
) -> None:
    queue = open_queue()
    id_ = queue.submit(ANNA, "x", ["train", "--scene=berlin"], tmp_path)
    ours = record(chosen, id_)
    own = psutil.Process()
    taken = ours.model_copy(
        update={"state": "running", "started": 1.0, "pid": own.pid, "born": own.create_time() - 500}
    )
    (ours.place(chosen.work) / "job.json").write_text(taken.model_dump_json())
    again = open_queue()
    again.cancel(ANNA, id_)  # a signal to that number would end this test
    again.start()
    wait_until(lambda: state(again, id_).state == "cancelled")


def test_records_that_are_none_are_left_out(
    open_queue: Callable[[], Queue], chosen: Settings, tmp_path: Path
) -> None:
    id_ = open_queue().submit(ANNA, "x", ["train", "--scene=berlin"], tmp_path)
    other = session_path(chosen.work, ANNA) / "jobs" / new_id()
    other.mkdir()
    (other / "job.json").write_text("{")
    stolen = session_path(chosen.work, BEN) / "jobs" / id_
    stolen.mkdir(parents=True)
    (stolen / "job.json").write_text(record(chosen, id_).model_dump_json())
    again = open_queue()
    assert [job.id for job in again.jobs(ANNA)] == [id_]
    assert again.jobs(BEN) == ()


def test_records_beyond_reason_stop_no_other_job(
    open_queue: Callable[[], Queue], chosen: Settings, tmp_path: Path
) -> None:
    id_ = open_queue().submit(ANNA, "x", ["train", "--scene=/no/such"], tmp_path)
    sound = record(chosen, id_).model_dump(mode="json")
    for wrong in ({"argv": []}, {"pid": -1}, {"pid": 10**30}, {"created": float("nan")}):
        damaged = sound | {"id": new_id(), "state": "running"} | wrong
        place = session_path(chosen.work, ANNA) / "jobs" / damaged["id"]
        place.mkdir()
        (place / "job.json").write_text(json.dumps(damaged))
    again = open_queue()
    assert [job.id for job in again.jobs(ANNA)] == [id_]
    again.start()
    wait_until(lambda: state(again, id_).state == "failed")


def test_a_job_is_forgotten_when_it_has_ended(
    open_queue: Callable[[], Queue], chosen: Settings, tmp_path: Path
) -> None:
    queue = open_queue()
    id_ = queue.submit(ANNA, "x", ["train", "--scene=berlin"], tmp_path)
    with pytest.raises(UsageError, match="cancel it first"):
        queue.forget(ANNA, id_)
    queue.cancel(ANNA, id_)
    queue.forget(ANNA, id_)
    assert queue.jobs(ANNA) == ()
    assert open_queue().jobs(ANNA) == ()


def test_a_scene_that_leads_out_is_refused_by_pages_and_by_jobs(
    scene: Path, chosen: Settings, open_queue: Callable[[], Queue], tmp_path: Path
) -> None:
    item = workspace.new_item(ANNA, "scenes", "mine", {"command": "align"})
    made = shutil.copytree(scene, item / SCENE)
    text = (made / "scene.toml").read_text()
    (tmp_path / "secret.tif").write_bytes((scene / "hsi.tif").read_bytes())
    (made / "scene.toml").write_text(text.replace('file = "hsi.tif"', f'files = ["{tmp_path}/secret.tif"]'))
    (shown,) = (entry for entry in workspace.scenes(ANNA) if entry.origin == "yours")
    assert shown.problem is not None and "leads out of" in shown.problem
    with pytest.raises(SceneError, match="leads out of"):
        shown.opened()
    queue = open_queue()
    words = ["correlate", f"--scene={made}", "--between=hsi", "sar", f"--out={tmp_path / 'out'}"]
    id_ = queue.submit(ANNA, "x", words, tmp_path / "out")
    queue.start()
    wait_until(lambda: state(queue, id_).state == "failed")
    assert "leads out of" in state(queue, id_).doing
