import pytest

from dinr_studio.errors import ConfigError
from dinr_studio.experiments.sweeps.plan import Axis, SweepPlan, plan_from, with_seeds
from dinr_studio.experiments.sweeps.recipes import Wish, plan_of
from dinr_studio.experiments.sweeps.words import axis_from, settings_from, words_of

STEPS, NOISE = Axis("steps", (1, 5)), Axis("noise", (0, 10, 20))


def test_every_value_is_combined_with_every_other_the_last_axis_quickest():
    plan = SweepPlan("file.npy", (STEPS, NOISE), terms=("steps", "seconds"))
    points = list(plan.points())
    assert points[:4] == [{"steps": s, "noise": n} for s, n in ((1, 0), (1, 10), (1, 20), (5, 0))]
    assert len(points) == 6
    assert plan.count == 12


def test_seeds_are_one_more_axis_that_begins_at_the_seed_set():
    plan = with_seeds(SweepPlan("file.npy", (STEPS,), changes={"seed": 7, "width": 16}), 3)
    assert plan.axis("seed") == Axis("seed", (7, 8, 9))
    assert plan.changes == {"width": 16}
    assert with_seeds(plan, 1) == plan


def test_a_plan_survives_being_written():
    plan = SweepPlan("file.npy", (STEPS, NOISE), changes={"width": 16}, terms=("parameters",), seconds=3.0)
    assert plan_from(plan.as_dict()) == plan


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: Axis("stepps", (1,)), "There is no setting stepps to vary; choose among family, "),
        (lambda: Axis("steps", ()), "No values are named for steps"),
        (lambda: Axis("steps", (1, 1)), "A value of steps is named twice"),
        (lambda: SweepPlan("f", ()), "Nothing is varied"),
        (lambda: SweepPlan("f", (STEPS, STEPS)), "steps is said twice"),
        (lambda: SweepPlan("f", (STEPS,), changes={"steps": 2}), "steps is said twice"),
        (lambda: SweepPlan("", (STEPS,)), "dimensions is not varied, so name a file"),
        (lambda: SweepPlan("f", (Axis("dimensions", (2,)),)), "takes the data's place, so leave the file out"),
        (lambda: SweepPlan("f", (STEPS,), terms=("luck",)), "There is no luck to compare by; choose among settings, "),
        (lambda: SweepPlan("f", (STEPS,), measures=("luck",)), "There is no luck to compare by"),
        (lambda: SweepPlan("f", (STEPS,), terms=()), "Say how runs are to be compared"),
        (lambda: SweepPlan("f", (STEPS,), seconds=0), "The seconds per run are 0"),
        (lambda: SweepPlan("f", (Axis("width", (8, 16)),), terms=("parameters",)), "Widths cannot be varied at equal"),
        (
            lambda: SweepPlan("f", (STEPS,), changes={"max_epochs": 3}, terms=("steps",)),
            "max_epochs says when a run ends",
        ),
        (lambda: SweepPlan("f", (Axis("seed", tuple(range(6000))),)), "These are 6,000 runs; 5,000 are the most"),
        (lambda: with_seeds(SweepPlan("f", (STEPS,)), 0), "0 seeds are too few"),
        (lambda: plan_from({"axes": {"steps": [1]}}), "The plan of the sweep is damaged"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_a_sentence(wrong, told):
    with pytest.raises(ConfigError, match=told):
        wrong()


def test_a_plan_as_words_is_the_same_plan_again():
    changes = {"width": 8, "gradient_clip": None, "zero_start": False, "learning_rate": 1e-05}
    options = {"crop": [[0, 8], [2, 9]], "voxel_size": [1.0, 2.5], "unit": "nm"}
    wish = Wish("sample:turbulence-2d", options, changes=changes, seeds=2, seconds=12.5, terms=("seconds",))
    plan = plan_of("kinetic-vs-noise", wish)
    words = words_of(plan, "out")
    found = {name: [words[i + 1] for i, word in enumerate(words) if word == name] for name in ("--vary", "--set")}
    axes = tuple(axis_from(text) for text in found["--vary"])
    assert axes == plan.axes
    assert settings_from(",".join(found["--set"])) == plan.changes
    assert words[words.index("--seconds") + 1] == "12.5s"
    assert "--crop=0:8,2:9" in words
    again = Wish("sample:turbulence-2d", options, "quick", axes, plan.changes, plan.terms, (), 12.5)
    assert plan_of("kinetic-vs-noise", again) == plan
