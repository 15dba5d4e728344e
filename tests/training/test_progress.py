"""One count of steps over seeds and controls."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from geo_xmodal.scenes import open_scene
from geo_xmodal.training import TrainRequest, train_scene
from tests.tiny import write_scene

SETTINGS = {
    "epochs": "2", "contrasts": "", "widths": "8,8", "embedding": "8", "teachers": "1", "unlabelled": "200",
    "batch_size": "64", "least_steps": "5",
}  # fmt: skip


def test_steps_are_counted_over_all_seeds_and_controls(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    before = datetime.now(UTC).replace(microsecond=0)
    request = TrainRequest(method="hgr", seeds=2, control=True, settings=SETTINGS)
    out = tmp_path / "run"
    train_scene(open_scene(write_scene(tmp_path / "tiny")), out, request, lambda *one: told.append(one))
    reading = [message for _, total, message in told if total == 0]
    assert {message.partition(":")[0] for message in reading} >= {"looking for unlabelled pixels"}
    counted = [one for one in told if one[1]]
    assert len({total for _, total, _ in counted}) == 1
    steps = [done for done, _, _ in counted]
    assert steps == sorted(steps)
    assert steps[0] == 0 and steps[-1] == counted[0][1]
    # six runs of the same number of steps, of two epochs each: there is more to tell than an epoch's end
    assert len(set(steps)) > 6 * 2 * 3
    names = list(dict.fromkeys(", ".join(one[2].split(", ")[:2]) for one in counted if ": seed" in one[2]))
    assert names == [
        f"run {number} of 6: seed {seed}, {name}"
        for number, (seed, name) in enumerate(
            [(seed, name) for seed in (0, 1) for name in ("hgr", "target_only", "self_training")], start=1
        )
    ]
    assert any(message.endswith(", student: epoch 2 of 2") for _, _, message in counted)
    assert sum(message.endswith(", testing: 0 %") for _, _, message in counted) == 6
    for log in out.rglob("log.jsonl"):
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        times = [datetime.fromisoformat(row["time"]) for row in rows]
        assert before <= times[0] <= times[-1] <= datetime.now(UTC)
    assert len(list(out.rglob("log.jsonl"))) == 6
