"""Races to a quality: whose clock runs when, what counts as reached, and which ratios are only bounds."""

import pytest

from dinr_studio.experiments.benchmark.effort import FULL, QUICK, Budget
from dinr_studio.experiments.benchmark.race import Finish, compared, mean_ratio, race


class FakeClock:
    """Seconds that pass only when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Climber:
    """Gains one dB with every step of a second; measuring it takes ten."""

    def __init__(self, clock):
        self.clock, self.steps, self.looks = clock, 0, 0

    def step(self, limit):
        self.steps += 1
        self.clock.now += min(1.0, limit)

    def psnr(self, racer):
        self.looks += 1
        self.clock.now += 10.0
        return float(self.steps)


@pytest.fixture
def clock():
    return FakeClock()


def test_the_time_of_measuring_does_not_count_as_training(clock):
    climber = Climber(clock)
    finish = race(climber, [2.0, 4.0], climber.psnr, limit=100, budget=Budget(1000, clock), clock=clock)
    assert finish.reached == {2.0: 2.0, 4.0: 4.0}
    assert finish.seconds == 4.0
    assert finish.best == 4.0


def test_a_race_ends_at_its_limit_with_a_last_look(clock):
    climber = Climber(clock)
    finish = race(climber, [50.0], climber.psnr, limit=7.5, budget=Budget(1000, clock), clock=clock)
    assert finish.seconds == pytest.approx(7.5)
    assert finish.reached == {}
    assert finish.best == 8.0


def test_a_race_ends_when_the_budget_is_spent_measuring_included(clock):
    climber = Climber(clock)
    finish = race(climber, [50.0], climber.psnr, limit=1000, budget=Budget(33, clock), clock=clock)
    assert finish.seconds == 3.0
    assert climber.looks == 3


def test_later_looks_are_further_apart(clock):
    climber = Climber(clock)
    race(climber, [1000.0], climber.psnr, limit=200, budget=Budget(1e6, clock), clock=clock)
    assert climber.looks < 100


def test_both_reached_makes_a_ratio_and_no_bound():
    row = compared(30.0, Finish({30.0: 2.0}, 5.0), Finish({30.0: 14.0}, 60.0))
    assert (row["ratio"], row["bound"], row["kind"]) == (7.0, False, None)


def test_a_baseline_that_does_not_get_there_makes_a_lower_bound():
    row = compared(30.0, Finish({30.0: 2.0}, 5.0), Finish({}, 24.0))
    assert (row["ours"], row["baseline"], row["bound"], row["kind"]) == (2.0, None, True, "at least")
    assert row["ratio"] == 12.0


def test_ours_that_does_not_get_there_makes_an_upper_bound():
    row = compared(30.0, Finish({}, 20.0), Finish({30.0: 10.0}, 10.0))
    assert (row["ratio"], row["kind"]) == (0.5, "at most")


@pytest.mark.parametrize("baseline", [None, Finish({}, 9.0)])
def test_nobody_there_makes_no_ratio(baseline):
    row = compared(30.0, Finish({}, 20.0), baseline)
    assert row["ratio"] is None
    assert row["bound"]


def test_the_mean_ratio_is_geometric_over_those_that_there_are():
    assert mean_ratio([{"ratio": 2.0}, {"ratio": 8.0}, {"ratio": None}]) == pytest.approx(4.0)
    assert mean_ratio([{"ratio": None}]) == 0.0


def test_a_budget_runs_down_to_nothing_and_shares_what_is_left(clock):
    budget = Budget(60, clock)
    clock.now += 20
    share = budget.share(4)
    assert (budget.left, share.left) == (40, 10)
    clock.now += 50
    assert (budget.left, share.left) == (0, 0)
    assert budget.share(0).left == 0


def test_the_quick_benchmark_plans_for_less_than_eight_minutes():
    assert QUICK.seconds < 480 < FULL.seconds
    assert QUICK.kernel_rows < FULL.kernel_rows <= 1024
