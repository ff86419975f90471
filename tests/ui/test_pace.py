"""How finely the 3D view draws: as finely as the machine allows, from made-up times of frames."""

import pytest

from dinr_studio.ui.views.pace import COARSEST, FINEST, MOVING, RESTING, Pace


def learnt(step, seconds, frames=1):
    pace = Pace()
    for _ in range(frames):
        pace.learn(step, seconds)
    return pace


def test_before_any_frame_it_draws_coarsely():
    assert FINEST < Pace().step(RESTING) < COARSEST


def test_a_fast_machine_draws_finely_even_while_one_turns():
    assert learnt(1.0, 0.005).step(MOVING) == FINEST


def test_a_slow_machine_turns_coarsely_and_rests_finely():
    pace = learnt(1.0, 0.12)  # 0.12 s at a step of one voxel: four times the time that a moving frame may take
    assert pace.step(MOVING) == pytest.approx(4.0)
    assert pace.step(RESTING) == FINEST


def test_it_is_never_coarser_than_the_coarsest():
    assert learnt(1.0, 90.0).step(MOVING) == COARSEST


def test_a_frame_with_long_steps_costs_as_much_as_one_with_short_ones_in_proportion():
    assert learnt(4.0, 0.03).step(0.06) == pytest.approx(learnt(2.0, 0.06).step(0.06))


def test_one_slow_frame_does_not_settle_it_and_many_do():
    pace = learnt(1.0, 0.03, frames=5)
    pace.learn(1.0, 0.15)
    assert pace.step(MOVING) == pytest.approx(3.0)  # half way
    for _ in range(10):
        pace.learn(1.0, 0.15)
    assert pace.step(MOVING) == pytest.approx(5.0, rel=0.01)


def test_another_volume_begins_afresh():
    pace = learnt(1.0, 90.0)
    pace.forget()
    assert pace.step(MOVING) == Pace().step(MOVING)
