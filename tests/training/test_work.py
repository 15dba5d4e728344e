from __future__ import annotations

from pathlib import Path

from geo_xmodal.training.work import work_in


def test_what_is_found_out_is_kept_for_a_resumed_run_of_the_same_mark(tmp_path: Path) -> None:
    asked = []

    def find() -> dict[str, int]:
        asked.append(1)
        return {"answer": 42}

    first = work_in(tmp_path, "a")
    assert [first.kept("question", find), first.kept("question", find)] == [{"answer": 42}] * 2
    assert work_in(tmp_path, "a", resume=True).kept("question", find) == {"answer": 42}
    assert len(asked) == 1
    for other in (work_in(tmp_path, "b", resume=True), work_in(tmp_path, "a"), work_in(None)):
        assert other.kept("question", find) == {"answer": 42}
    assert len(asked) == 4
