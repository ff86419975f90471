import csv
import math
import shutil

import numpy as np
import pytest
import torch

from dinr_studio.errors import DinrError, OutputError, TrainingDiverged
from dinr_studio.experiments.sweeps import crew, one_run
from dinr_studio.experiments.sweeps.plan import Axis
from dinr_studio.experiments.sweeps.resolving import resolve
from dinr_studio.experiments.sweeps.results import read_results, rows_of
from dinr_studio.experiments.sweeps.running import new_sweep, resumed_sweep, run_sweep, sweep_in_place_of
from dinr_studio.fields.build import build_field
from dinr_studio.io.reading import open_volume
from dinr_studio.sampling.evaluate import values_at_indices
from dinr_studio.training.fit import field_of
from dinr_studio.training.run_file import read_run

STEPS = Axis("steps", (1, 3))


def records(sweep):
    return rows_of(sweep.resolved, sweep.records)


def test_a_sweep_keeps_a_record_of_each_run_with_its_scores_and_cost(make_plan, run, file, tmp_path, decibels):
    sweep = run(make_plan(STEPS, Axis("noise", (0, 30))), keep=True)
    rows = records(sweep)
    assert [(row["steps"], row["noise"], row["status"]) for row in rows] == [
        (1, 0, "done"), (1, 30, "done"), (3, 0, "done"), (3, 30, "done")
    ]  # fmt: skip
    for row in rows:
        assert row["steps_taken"] == 2 * math.ceil(470 / 128)
        assert row["parameters"] == rows[0]["parameters"]
        assert row["evaluations_per_voxel"] == row["steps"]
        assert row["processor_seconds"] > 0
    assert rows[0]["fit_psnr"] == rows[0]["fit_clean_psnr"] > rows[1]["fit_psnr"]
    with open(tmp_path / "results" / "runs.csv", newline="") as table:
        read = list(csv.DictReader(table))
    assert [float(row["psnr"]) for row in read] == pytest.approx([row["psnr"] for row in rows])
    kept = read_run(tmp_path / "results" / "runs" / rows[1]["run_file"])
    clean = open_volume(file)
    field = field_of(kept, torch.device("cpu"))
    true = clean.in_memory.reshape(-1, 1)[kept.held_out]
    low, high = clean.value_range
    assert rows[1]["psnr"] == pytest.approx(
        decibels(true, values_at_indices(field, kept.held_out), high - low), abs=1e-3
    )


def test_runs_whose_settings_agree_are_made_once(make_plan, file):
    plan = make_plan(
        Axis("family", ("siren", "dinr-siren")),
        STEPS,
        terms=("steps", "parameters"),
        changes={"layers": 12},
        seconds=1.0,
    )
    resolved = resolve(plan, open_volume(file))
    by_terms = {
        terms: [cell.run for cell in resolved.cells if cell.terms == terms] for terms in ("steps", "parameters")
    }
    assert by_terms["steps"][0] == by_terms["steps"][1] == by_terms["parameters"][0]  # steps of a static field
    assert len(set(by_terms["steps"])) == 3
    assert by_terms["parameters"][2:] != by_terms["steps"][2:]  # dinr-siren is made as large as siren


@pytest.fixture
def step_clock(monkeypatch):
    """A processor on which each optimiser step takes 10 ms for each step through latent time."""
    taken = [0.0]
    usual = one_run.Trainer.advance

    def advance(trainer):
        voxels = usual(trainer)
        taken[0] += 0.01 * trainer.config.field.steps
        return voxels

    monkeypatch.setattr(one_run.Trainer, "advance", advance)
    monkeypatch.setattr(one_run.time, "process_time", lambda: taken[0])


def test_under_equal_steps_all_take_as_many_and_under_equal_seconds_as_long(make_plan, run, step_clock):
    rows = records(run(make_plan(STEPS, terms=("steps", "seconds"), seconds=0.295)))
    assert rows[0]["steps_taken"] == rows[1]["steps_taken"]
    assert [row["steps_taken"] for row in rows[2:]] == [30, 10]
    assert [row["processor_seconds"] for row in rows[2:]] == pytest.approx([0.3, 0.3])
    assert [row["step_milliseconds"] for row in rows[2:]] == pytest.approx([10, 30])


@pytest.mark.parametrize("family", ["siren", "ffnet", "dinr-ffnet"])
def test_under_equal_parameters_widths_are_matched_within_two_percent(make_plan, file, family):
    axis = Axis("family", ("dinr-siren", family))
    plan = make_plan(axis, terms=("parameters",), seconds=1.0, changes={"width": 64, "blocks": 2})
    resolved = resolve(plan, open_volume(file))
    counts = [
        sum(weight.numel() for weight in build_field(spec.config.field, 2, 1, seed=0).parameters())
        for spec in resolved.runs.values()
    ]
    assert counts[1] == pytest.approx(counts[0], rel=0.02)
    assert resolved.runs[resolved.cells[0].run].config.field.width == 64


def test_under_equal_evaluations_integrators_ask_the_vector_field_as_often(make_plan, run):
    plan = make_plan(
        Axis("evaluations", (4, 6)), Axis("integrator", ("euler", "rk4", "dopri5")), terms=("evaluations",), seconds=0.1
    )
    rows = records(run(plan))
    done = [row for row in rows if row["status"] == "done"]
    assert [(row["evaluations"], row["integrator"]) for row in rows if row["status"] == "refused"] == [(6, "rk4")]
    assert "no whole number of steps; choose a multiple of 4" in next(r["fault"] for r in rows if r["status"] != "done")
    sweep_limit = {row["evaluated"] for row in done if row["integrator"] != "dopri5"}
    largest_step = 128 * 40
    assert max(sweep_limit) - min(sweep_limit) <= 128 * 6
    for row in done:
        assert abs(row["evaluated"] - min(sweep_limit)) <= largest_step


def test_a_diverged_run_and_a_forbidden_setting_are_recorded_and_do_not_end_the_sweep(make_plan, run, monkeypatch):
    usual = one_run.Trainer.advance

    def advance(trainer):
        if trainer.config.field.steps == 3:
            raise TrainingDiverged("Step 4: the loss is no longer a finite number.")
        return usual(trainer)

    monkeypatch.setattr(one_run.Trainer, "advance", advance)
    rows = records(run(make_plan(Axis("steps", (3, 0, 1)))))
    assert [row["status"] for row in rows] == ["diverged", "refused", "done"]
    assert rows[0]["fault"] == "Step 4: the loss is no longer a finite number."
    assert "steps" in rows[1]["fault"]


def test_an_unexpected_error_costs_its_run_alone_and_is_tried_again(make_plan, run, monkeypatch, tmp_path):
    usual = one_run.measured
    monkeypatch.setattr(one_run, "measured", lambda *a: (_ for _ in ()).throw(RuntimeError("odd <b>")))
    assert {row["status"] for row in records(run(make_plan(STEPS)))} == {"failed"}
    monkeypatch.setattr(one_run, "measured", usual)
    sweep = resumed_sweep(tmp_path / "results")
    assert len(sweep.waiting) == 2
    assert {row["status"] for row in records(list(run_sweep(sweep))[-1].sweep)} == {"done"}


def test_a_sweep_in_which_nothing_can_be_is_refused_at_once(make_plan, tmp_path):
    with pytest.raises(DinrError, match="steps"):
        new_sweep(make_plan(Axis("steps", (0, -1))), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_closing_keeps_what_is_done_and_the_same_plan_goes_on(make_plan, tmp_path):
    plan = make_plan(Axis("steps", (1, 2, 3)))
    progress = run_sweep(new_sweep(plan, tmp_path / "results"))
    first = next(moment for moment in progress if moment.ended)
    progress.close()
    sweep = new_sweep(plan, tmp_path / "results")
    assert list(sweep.records) == [first.ended]
    moments = list(run_sweep(sweep))
    assert first.ended not in {moment.ended for moment in moments}
    assert moments[-1].done == moments[-1].total == 3
    assert moments[-1].sweep.records[first.ended] == first.sweep.records[first.ended]


def test_another_plan_other_files_and_other_data_are_refused(make_plan, run, tmp_path, file):
    run(make_plan(STEPS))
    with pytest.raises(OutputError, match=r"holds a sweep with another plan \(axes differ\)"):
        new_sweep(make_plan(Axis("steps", (1, 4))), tmp_path / "results")
    with pytest.raises(OutputError, match="holds other files"):
        new_sweep(make_plan(STEPS), tmp_path)
    with pytest.raises(OutputError, match=r"holds no sweep"):
        resumed_sweep(tmp_path)
    np.save(file, np.random.default_rng(0).random((20, 24)))
    with pytest.raises(OutputError, match="is no longer the data that"):
        list(run_sweep(resumed_sweep(tmp_path / "results")))
    assert sweep_in_place_of(make_plan(Axis("steps", (1, 4))), tmp_path / "results").records == {}


@pytest.mark.parametrize("damage", ["", "{}", '{"version": 1, "runs": {"a": {}}}', "[1]", '{"version": 99}'])
def test_a_damaged_results_file_is_refused_in_a_sentence(tmp_path, damage):
    (tmp_path / "sweep.json").write_text(damage)
    with pytest.raises(OutputError, match=r"is damaged or no sweep's|newer version"):
        read_results(tmp_path)


def test_several_processes_come_to_what_one_does_and_a_lost_one_costs_its_run_alone(make_plan, run, monkeypatch):
    plan = make_plan(Axis("seed", (1, 2, 3)))
    alone = run(plan, "alone").records
    lost = []
    usual = crew._Member.take

    def take(member, spec):
        usual(member, spec)
        if not lost:
            lost.append(spec.key)
            member._process.kill()

    monkeypatch.setattr(crew._Member, "take", take)
    together = run(plan, "together", processes=2).records
    assert together[lost[0]]["status"] == "failed"
    assert "ended unexpectedly" in together[lost[0]]["fault"]
    for key in set(alone) - set(lost):
        assert together[key]["psnr"] == pytest.approx(alone[key]["psnr"], abs=1e-6)


def test_a_killed_sweep_loses_only_the_run_under_way(make_plan, tmp_path):
    progress = run_sweep(new_sweep(make_plan(Axis("seed", (1, 2, 3, 4))), tmp_path / "results"))
    for moment in progress:
        if moment.done == 2 and moment.running:
            break
    shutil.copytree(tmp_path / "results", tmp_path / "left")  # what the disk holds amid the third run
    progress.close()
    sweep = resumed_sweep(tmp_path / "left")
    assert sweep.records == moment.sweep.records
    assert len(sweep.waiting) == 2
    rows = records(list(run_sweep(sweep))[-1].sweep)
    assert [row["status"] for row in rows] == ["done"] * 4
