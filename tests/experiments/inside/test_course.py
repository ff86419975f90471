"""The course of measures over training, by training again."""

import numpy as np
import pytest

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig, changed
from dinr_studio.errors import ConfigError, DataNotFound
from dinr_studio.experiments.figures.dynamics import jacobian_figure
from dinr_studio.experiments.figures.kernel import kernel_figure
from dinr_studio.experiments.figures.style import save_figure
from dinr_studio.experiments.inside.course import kept_step, look_steps, total_steps
from dinr_studio.experiments.inside.jacobian_study import measures_of, study_jacobians
from dinr_studio.experiments.inside.kernel_study import KernelWish, study_kernel
from dinr_studio.stages import result_of
from dinr_studio.training.fit import fit, fit_again

FIELD = FieldConfig(width=12, blocks=1, steps=3, omega_0=8.0)
TRAINING = TrainingConfig(max_epochs=12, batch=128, micro_batch=128, device="cpu", held_out_share=0.2)


@pytest.fixture(scope="module")
def volume(make_smooth_volume):
    return make_smooth_volume((9, 8, 7))


def fitted(volume, **changes):
    config = FitConfig(preset="quick", field=FIELD, training=changed(TRAINING, **changes))
    return list(fit(volume, config))[-1].run


@pytest.fixture(scope="module")
def run(volume):
    return fitted(volume)


@pytest.fixture(scope="module")
def kernels(run, volume):
    return result_of(study_kernel(run, KernelWish(points=30, course=4), lambda: volume))


def test_the_last_look_at_the_kernel_is_the_runs_own_and_earlier_ones_differ(run, kernels):
    course = kernels.course
    assert course.steps == look_steps(kept_step(run), 4)
    assert course.looks[-1].epoch == pytest.approx(kept_step(run) / 4)
    for name in ("effective_rank", "entropy_rank", "condition_number", "decay"):
        own = getattr(kernels.now.spectrum, name)
        assert course.looks[-1].measures[name] == pytest.approx(own, rel=1e-3)
    assert course.looks[0].measures["effective_rank"] != pytest.approx(kernels.now.spectrum.effective_rank, rel=1e-3)
    assert course.difference < 1e-6
    assert "the run's own weights" in course.note


def test_the_last_look_at_the_jacobians_is_the_runs_own_with_its_criterion(run, volume, tmp_path):
    study = result_of(study_jacobians(run, 6, course=3, data=lambda: volume))
    last = study.course.looks[-1].measures
    assert last == pytest.approx(measures_of(study.now), rel=1e-3)
    assert last["collapsed"] == study.verdict.startswith("The dynamics collapse")
    assert last["alignment_first"] == pytest.approx(study.now.alignment_first.min(), rel=1e-3)
    described = study.as_dict()["course"]
    assert [one["step"] for one in described] == study.course.steps
    save_figure(jacobian_figure(study), tmp_path / "j.svg")
    assert "displacement of states (of their norm)" in (tmp_path / "j.svg").read_text(encoding="utf-8")


def test_steps_grown_over_the_run_are_those_of_the_weights_at_each_look(volume):
    grown = fitted(volume, growing_steps=True)
    study = result_of(study_kernel(grown, KernelWish(points=20, course=2), lambda: volume))
    assert study.course.difference < 1e-6
    assert study.course.looks[-1].measures["decay"] == pytest.approx(study.now.spectrum.decay, rel=1e-3)


def test_a_run_that_kept_earlier_weights_has_a_course_up_to_them(run, volume):
    columns = {name: values.copy() for name, values in run.history.columns.items()}
    columns["held_out_psnr"][:] = np.linspace(20, 10, len(columns["step"]))
    told = run.updated(state=None, history=type(run.history)(columns))
    assert kept_step(told) == int(columns["step"][0]) == 0
    with pytest.raises(ConfigError, match="full run file of a fit that has learnt"):
        next(study_kernel(told, KernelWish(points=20, course=2), lambda: volume))
    scalars = {**run.state.scalars, "best_step": 20}
    earlier = run.updated(state=type(run.state)(**{**vars(run.state), "scalars": scalars}))
    assert kept_step(earlier) == 20
    study = result_of(study_kernel(earlier, KernelWish(points=20, course=2), lambda: volume))
    assert study.course.steps == [10, 20]
    assert "differ from the run's by" in study.course.note


def test_a_run_with_a_time_limit_is_trained_again_by_its_steps_and_it_is_said(run, volume):
    columns = run.history.columns
    half = changed(run.config.training, time_limit=2 * float(columns["elapsed"][-1]), max_epochs=1_000_000)
    by_clock = run.updated(config=changed(run.config, training=half))
    assert total_steps(run) is None
    assert total_steps(by_clock) == 2 * int(columns["step"][-1])
    rates = [
        snapshot.learning_rate
        for snapshot in fit_again(volume, by_clock, [48], total_steps=48)
        if snapshot.phase == "training" and snapshot.step == 48
    ]
    assert rates == [pytest.approx(0.01 * half.learning_rate)]
    ended = by_clock.updated(end_reason=f"time limit of {half.time_limit} s reached")
    assert total_steps(ended) == int(columns["step"][-1])
    study = result_of(study_kernel(by_clock, KernelWish(points=20, course=1), lambda: volume))
    assert study.course.steps == [kept_step(run)]
    assert "the run had a time limit" in study.course.note


def test_looks_are_even_in_the_logarithm_of_steps_and_never_twice_at_one():
    assert look_steps(1000, 3) == [10, 100, 1000]
    assert look_steps(7, 5) == [7]
    assert look_steps(12, 40) == [10, 11, 12]
    assert look_steps(500, 1) == [500]


def test_a_course_that_is_closed_trains_no_more(run, volume, monkeypatch):
    steps = []
    advance = fit_again.__globals__["Trainer"].advance
    monkeypatch.setattr(
        fit_again.__globals__["Trainer"], "advance", lambda self: (steps.append(self.step), advance(self))[1]
    )
    stages = study_kernel(run, KernelWish(points=20, course=3), lambda: volume)
    shares = []
    for stage in stages:
        shares.append(stage.share)
        if "kernel of the field at step" in stage.doing:
            break
    stages.close()
    assert steps == list(range(10))
    assert shares == sorted(shares)
    assert list(stages) == []


@pytest.mark.parametrize(
    ("looks", "data", "fault", "sentence"),
    [
        (2, lambda: None, DataNotFound, "open that"),
        (101, lambda: None, ConfigError, "1 to 100 are allowed"),
        (-1, lambda: None, ConfigError, "1 to 100 are allowed"),
    ],
)
def test_a_course_that_cannot_be_had_is_one_sentence_before_the_work(run, looks, data, fault, sentence):
    for study in (
        study_kernel(run, KernelWish(points=20, course=looks), data),
        study_jacobians(run, 5, course=looks, data=data),
    ):
        with pytest.raises(fault, match=sentence):
            next(study)


def test_the_figure_of_kernels_has_panels_of_the_course(kernels, tmp_path):
    save_figure(kernel_figure(kernels), tmp_path / "k.svg")
    written = (tmp_path / "k.svg").read_text(encoding="utf-8")
    for text in ("optimiser step", "condition number", "decay exponent", "effective rank (entropy)", "mode 8"):
        assert text in written
