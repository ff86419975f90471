from typing import get_args

import pytest

from dinr_studio.config import Embedding
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.sweeps import conditions, measures
from dinr_studio.experiments.sweeps.findings import unequal
from dinr_studio.experiments.sweeps.outcome import as_markdown, write_outcome
from dinr_studio.experiments.sweeps.plan import Axis, with_seeds
from dinr_studio.experiments.sweeps.recipes import RECIPES, Wish, findings_of, plan_of
from dinr_studio.experiments.sweeps.summary import Group, Spread, Summary, summarise, summary_rows

SMALL = {"blocks": 1, "layers": 2, "batch": 128, "micro_batch": 128, "device": "cpu"}
FEWER = {  # values of the recipes' axes that tests make runs of
    "steps": (1, 2),
    "noise": (0, 30),
    "kinetic_weight": (0, 1),
    "data_share": (50, 100),
    "family": ("dinr-siren", "siren"),
    "embedding": ("siren", "fourier"),
    "width": (8, 12),
    "dimensions": (2, 3),
    "evaluations": (4,),
}


def small_plan(name, file):
    recipe = RECIPES[name]
    changes = {**SMALL, **({} if name == "compression" else {"width": 8})}
    axes = tuple(Axis(axis.name, FEWER.get(axis.name, axis.values)) for axis in recipe.axes)
    return plan_of(name, Wish(file if recipe.needs_file else "", axes=axes, changes=changes, seconds=0.03))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_ends_in_tables_a_figure_and_words_about_each_terms(name, file, run, tmp_path, monkeypatch):
    monkeypatch.setattr(measures, "KERNEL_POINTS", 9)
    monkeypatch.setattr(conditions, "SYNTHETIC_SHAPES", {2: (16, 16), 3: (8, 8, 4)})
    sweep = run(small_plan(name, file))
    summary = write_outcome(sweep)
    said = findings_of(summary)
    for terms in ("equal seconds", "equal evaluations" if name == "integrators" else "equal"):
        assert any(terms in sentence for sentence in said), said
    assert all(record["status"] == "done" for record in sweep.records.values()), sweep.records
    for group in summary.groups:
        for metric in RECIPES[name].metrics:
            assert group.value(metric) > 0
    text = (tmp_path / "results" / "summary.md").read_text(encoding="utf-8")
    assert RECIPES[name].question in text
    assert (tmp_path / "results" / "sweep.svg").read_bytes().startswith(b"<?xml")
    assert (
        len((tmp_path / "results" / "summary.csv").read_text(encoding="utf-8").splitlines()) == len(summary.groups) + 1
    )


def test_the_embeddings_of_the_settings_are_those_of_the_recipe():
    assert RECIPES["embeddings"].axes[0].values == get_args(Embedding)


def group(terms, point, metrics, deviation=0.0, seeds=1):
    return Group((terms,), point, {name: Spread(value, deviation, seeds) for name, value in metrics.items()}, 1, 1)


def test_what_is_said_follows_from_the_numbers():
    plan = plan_of("ablation-steps", Wish("file.npy", axes=(Axis("steps", (1, 12)),)))
    cells = {("seconds", 1): 36.2, ("seconds", 12): 34.1, ("steps", 1): 30.0, ("steps", 12): 30.04}
    groups = tuple(group(terms, {"steps": steps}, {"psnr": value}) for (terms, steps), value in cells.items())
    assert findings_of(Summary(plan, groups)) == [
        "At equal seconds steps 1 is best (36.20 dB): 2.10 dB ahead of steps 12.",
        "At equal steps steps 12 is as good as steps 1 (30.04 dB).",
        "Each combination was run with one seed, so small differences may be chance; several seeds tell.",
    ]
    plan = with_seeds(plan, 3)
    swapped = tuple(
        group("seconds", {"steps": steps}, {"psnr": value}, 3.0, 3) for steps, value in ((1, 34.1), (12, 36.2))
    )
    assert findings_of(Summary(plan, swapped)) == [
        "At equal seconds steps 12 is best (36.20 dB): 2.10 dB ahead of steps 1 (seeds differ by 3.00 dB, which is "
        "more than that)."
    ]


def test_parameters_that_could_not_be_made_equal_are_told():
    plan = plan_of("ntk-vs-static", Wish("file.npy"))
    near, far = (
        (group("parameters", {"family": "dinr-siren"}, {"parameters": 1000}),
         group("parameters", {"family": "siren"}, {"parameters": count}))
        for count in (1019, 1100)
    )  # fmt: skip
    assert unequal(Summary(plan, near)) == []
    assert unequal(Summary(plan, far)) == [
        "At equal parameters these are 1,000 to 1,100: no widths bring them closer together than 10 %."
    ]


def test_seeds_become_a_mean_and_a_deviation(make_plan, run):
    sweep = run(make_plan(Axis("steps", (1,)), Axis("seed", (1, 2, 3))))
    (row,) = summary_rows(summarise(sweep.resolved, sweep.records))
    values = [record["psnr"] for record in sweep.records.values()]
    mean = sum(values) / 3
    assert row["psnr"] == pytest.approx(mean)
    assert row["psnr_sd"] == pytest.approx((sum((value - mean) ** 2 for value in values) / 2) ** 0.5)
    assert "± " in as_markdown(summarise(sweep.resolved, sweep.records), [])


def test_without_held_out_voxels_the_fit_is_what_runs_are_compared_by(make_plan, run):
    sweep = run(make_plan(Axis("steps", (1, 2)), changes={"held_out_share": 0}))
    summary = summarise(sweep.resolved, sweep.records)
    assert summary.headline == "fit_clean_psnr"
    assert any("At the settings' own ends" in sentence for sentence in findings_of(summary))


def test_what_a_wish_says_takes_the_place_of_the_recipe_s_own():
    wish = Wish("f.npy", axes=(Axis("steps", (2, 3)),), changes={"family": "dinr-ffnet"}, terms=("seconds",), seeds=2)
    plan = plan_of("ablation-steps", wish)
    assert [axis.name for axis in plan.axes] == ["steps", "seed"]
    assert plan.axis("steps").values == (2, 3)
    assert plan.changes == {"family": "dinr-ffnet"}
    assert plan.terms == ("seconds",)


@pytest.mark.parametrize(
    ("name", "file", "told"),
    [
        ("luck", "f", "There is no recipe luck; choose one of ablation-steps, "),
        ("sparse", "", "is asked of data; name a file"),
        ("profile-2d-3d-4d", "f", "makes its own fields; leave f out"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(name, file, told):
    with pytest.raises(ConfigError, match=told):
        plan_of(name, Wish(file))
