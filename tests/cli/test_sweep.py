import io
import json

import numpy as np
import pytest

from dinr_studio.cli import sweeping
from dinr_studio.experiments.sweeps import running

SHORT = [f"--set={one}" for one in ("width=8", "blocks=1", "batch=128", "micro_batch=128", "max_epochs=1")]


@pytest.fixture
def file(tmp_path, make_smooth_volume):
    path = tmp_path / "data.npy"
    np.save(path, make_smooth_volume((16, 18)).in_memory[..., 0])
    return path


def test_a_sweep_prints_one_object_and_the_same_command_goes_on(shell, file, tmp_path):
    command = ["sweep", file, "-o", tmp_path / "out", "--vary", "steps=1,2", "--seeds", 2, "--crop", "2:16,:", *SHORT]
    status, printed, said = shell(*command, "--json")
    assert status == 0
    result = json.loads(printed)
    assert len(result["runs"]) == 4
    assert {row["status"] for row in result["runs"]} == {"done"}
    assert [row["steps"] for row in result["summary"]] == [1, 2]
    assert said.count("dB") == 4
    assert result["findings"]
    status, printed, said = shell("sweep", "--resume", "-o", tmp_path / "out")
    assert status == 0
    assert " dB" not in said  # no run was made again
    assert result["findings"][0] in printed
    status, _, said = shell(*command, "--vary", "noise=0,10")
    assert status == 2
    assert "another plan (axes differ)" in said
    status, printed, _ = shell(*command, "--vary", "noise=0", "--force", "--json")
    assert [row["noise"] for row in json.loads(printed)["runs"]] == [0] * 4


def test_a_dry_run_counts_and_writes_nothing(shell, file, tmp_path):
    options = ["--vary", "steps=1,0", "--equal", "steps,seconds", "--seconds", "2s", "--dry-run", "--json"]
    status, printed, _ = shell("sweep", file, "-o", tmp_path / "out", *options, *SHORT[:4])
    planned = json.loads(printed)
    assert status == 0
    assert planned["runs"] == 2
    assert planned["results"] == 4
    assert len(planned["refused"]) == 1
    assert planned["seconds"] == pytest.approx(2 * 2 * 1.25, rel=0.2)
    assert not (tmp_path / "out").exists()


def test_interrupted_a_sweep_keeps_what_is_done(shell, file, tmp_path, monkeypatch):
    usual = running.write_results

    def interrupt_after_the_first(folder, resolved, records, sha256):
        usual(folder, resolved, records, sha256)
        if records:
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "write_results", interrupt_after_the_first)
    status, _, said = shell("sweep", file, "-o", tmp_path / "out", "--vary", "steps=1,2,3", *SHORT)
    assert status == 130
    assert "interrupted" in said
    monkeypatch.setattr(running, "write_results", usual)
    assert (tmp_path / "out" / "summary.md").exists()
    assert len(json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))["records"]) == 1


def test_events_are_one_object_a_line_for_the_window(shell, file, tmp_path):
    _, printed, _ = shell("sweep", file, "-o", tmp_path / "out", "--vary", "steps=1,2", "--events", *SHORT)
    events = [json.loads(line) for line in printed.splitlines()]
    assert [event["record"]["status"] for event in events if "record" in event] == ["done", "done"]
    assert events[-1]["done"] == events[-1]["total"] == 2


def test_recipes_are_listed(shell):
    status, printed, _ = shell("sweep", "--recipes")
    assert status == 0
    for name in ("ablation-steps", "kinetic-vs-noise", "integrators", "noise", "data_share", "evaluations", "kernel"):
        assert name in printed
    assert "sparse" in json.loads(shell("sweep", "--recipes", "--json")[1])["recipes"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-o", "out"], "Nothing is varied; say what with --vary"),
        (["--vary", "steps=1,2"], "Name the folder for the results with -o DIR."),
        (["-o", "out", "--vary", "steps"], "'steps' names nothing to vary"),
        (["-o", "out", "--recipe", "luck"], "There is no recipe luck"),
        (["-o", "out", "--resume"], "holds no sweep"),
        (["-o", "out", "--resume", "--force", "--vary", "steps=1"], "give --resume or --force, not both"),
        (["-o", "out", "--vary", "steps=1", "--equal", "seconds", "--preset", "paper"], "sets no time limit"),
    ],
)
def test_what_is_missing_or_contradictory_is_told_in_a_sentence(shell, file, tmp_path, options, told):
    options = [tmp_path / option if option == "out" else option for option in options]
    given = [] if options[-1] == "--resume" else [file]
    status, _, said = shell("sweep", *given, *options)
    assert status == 2
    assert told in said
    assert said.count("\n") == 1


def test_the_live_table_tells_runs_under_way_beside_those_that_ended(make_smooth_volume, file, tmp_path):
    from rich.console import Console

    request = sweeping.SweepRequest(str(file), tmp_path / "out", vary=("steps=1,2",), changes={"width": 8})
    sweep = sweeping.begun(request)
    first, second = sweep.resolved.runs
    ended = running.replace(sweep, records={first: {"status": "done", "psnr": 31.5, "steps_taken": 7}})
    moment = running.SweepProgress(ended, 1, 2, 3.0, 4.0, {second: running.Moment(0.25, 20.0)}, first)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(sweeping._table(moment))
    shown = console.export_text()
    assert "1 of 2 runs, 4.0 s left" in shown
    assert "31.50" in shown
    assert "25 %" in shown
