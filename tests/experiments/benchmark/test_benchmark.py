"""The benchmark's report: every ratio, from what was measured; contestants by steps of their own; bounded pictures."""

import json
from dataclasses import replace

import pytest

from dinr_studio.cli import benchmarking
from dinr_studio.config import FAMILIES, changed
from dinr_studio.errors import MemoryShort
from dinr_studio.experiments.benchmark import benchmark as module
from dinr_studio.experiments.benchmark import contestants, grids, kernels, pictures, quality, step_profile, throughput
from dinr_studio.experiments.benchmark.effort import FULL, QUICK, Budget
from dinr_studio.experiments.benchmark.race import Finish, compared
from dinr_studio.fields.presets import PAPER_FIELDS
from dinr_studio.io.reading import open_volume
from dinr_studio.training.presets import preset_config

KEYS = {
    *(f"training_{precision}_vs_{batch}" for precision in ("fp32", "bf16") for batch in (8192, 65536)),
    *("memory_vs_65536", "grid_fp32", "grid_bf16", "ntk_1024", "ntk_memory"),
    *("time_to_30_db", "time_to_35_db", "time_to_40_db", "equal_seconds"),
}
SPEEDS = {"plain_65536": 10.0, "plain_8192": 20.0, "plain": 20.0, "ours_fp32": 30.0, "ours_bf16": 60.0}


def part(value):
    """A part that is measured already."""
    yield "measuring"
    return value


def returned(running, said=None):
    """What a part returns; what it says on the way goes into `said`."""
    said = [] if said is None else said
    while True:
        try:
            said.append(next(running))
        except StopIteration as end:
            return end.value


def row(name):
    return {
        "coordinates_per_second": SPEEDS[name],
        "peak_memory_bytes": 100 if name.startswith("ours") else 1000,
        "precision": "fp32",
        "share_of_products": 0.5,
        "greatest_error": 1e-6,
    }


@pytest.fixture
def measured(monkeypatch):
    """Every part of the benchmark with made-up measurements."""
    ours, baseline = (
        Finish({30.0: 2.0, 35.0: 4.0}, 9.0, 36.0),
        Finish({30.0: 20.0}, 60.0),
    )  # its best PSNR, -inf, is no number for JSON
    races = {f"{goal:.0f}": compared(goal, ours, baseline) for goal in quality.GOALS}
    equal = dict.fromkeys((*FAMILIES, "auto", "cubic", "stacked"), 30.0)
    equal |= {"auto_family": "siren", "seconds": 2.0, "time_to_spline": compared(30.0, ours, None)}
    kernel = {
        **{"points": 1024, "plain_rows_timed": 12, "eigenvalue_error": 1e-7, "eigenvalue_points": 24},
        "ours": {"seconds": 2.0, "peak_memory_bytes": 100},
        "plain": {"seconds": 100.0, "peak_memory_bytes": 1000},
        "by_points": {"seconds": 50.0, "peak_memory_bytes": 1000},
    }
    picture = {"first_seconds": 0.1, "final_seconds": 10.0, "tiles": 984, "measured_share": 0.5}
    stages = {"stages": {"forward": 0.1}, "operations": {"norms": 0.1}, "batch": 2048, "look_seconds": 0.1}
    trained = {name: row(name) for name in ("plain_65536", "plain_8192", "ours_fp32", "ours_bf16")}
    grid = {name: row(name) for name in ("plain", "ours_fp32", "ours_bf16")}
    monkeypatch.setattr(throughput, "check_memory", lambda: None)
    monkeypatch.setattr(throughput, "training", lambda effort, products, budget: part(trained))
    monkeypatch.setattr(grids, "evaluation", lambda effort, products, budget: part(grid))
    monkeypatch.setattr(kernels, "kernels", lambda effort, budget: part(kernel))
    monkeypatch.setattr(pictures, "zooms", lambda effort: part({"quick": picture}))
    monkeypatch.setattr(step_profile, "step_profile", lambda: part({"paper": stages}))
    monkeypatch.setattr(quality, "equal_seconds", lambda effort, budget: part({"clouds": equal}))
    monkeypatch.setattr(quality, "time_to_db", lambda effort, budget: part({"clouds": races}))
    monkeypatch.setattr(module, "product_rate", lambda dtype, **options: 1e10)


def test_the_report_has_every_ratio_and_says_what_it_is_against(measured):
    steps = list(module.benchmark(QUICK))
    assert [step.done for step in steps] == list(range(7))
    result = json.loads(json.dumps(steps[-1].result, allow_nan=False))
    ratios = result["ratios"]
    assert set(ratios) == set(result["measured_against"]) == KEYS
    assert ratios["training_fp32_vs_65536"] == 3.0
    assert ratios["training_bf16_vs_8192"] == 3.0
    assert ratios["memory_vs_65536"] == ratios["ntk_memory"] == 0.1
    assert ratios["grid_bf16"] == 3.0
    assert ratios["ntk_1024"] == 25.0
    assert "50.0 against" in result["measured_against"]["ntk_1024"]
    assert [ratios[f"time_to_{goal}_db"] for goal in (30, 35, 40)] == pytest.approx([10.0, 15.0, 0.0])
    assert ratios["equal_seconds"]["clouds"] == dict.fromkeys((*FAMILIES, "auto", "cubic", "stacked"), 30.0)
    assert result["time_to_db"]["clouds"]["35"]["bound"]
    assert not result["time_to_db"]["clouds"]["30"]["bound"]
    assert "1 of them bounds" in result["measured_against"]["time_to_35_db"]
    assert result["machine"]["matmul_gflops_fp32"] == 10.0


def test_the_table_marks_bounds_and_profiles_on_request(measured, capsys):
    result = benchmarking.measure("quick", profile=True)
    benchmarking.print_result(result)
    printed = capsys.readouterr().out
    assert "> 15.0" in printed
    assert "plain, batch 65,536 (A)" in printed
    assert "A step of preset paper" in printed
    assert "time_to_35_db" in printed


def test_a_machine_without_the_memory_is_told(monkeypatch):
    monkeypatch.setattr(throughput, "available_bytes", lambda: 1 << 30)
    with pytest.raises(MemoryShort, match="GiB"):
        next(module.benchmark(QUICK))


@pytest.fixture
def small_paper(monkeypatch):
    """Preset paper with a network that takes no time."""
    small = changed(PAPER_FIELDS["dinr-ffnet"], width=16, features=16, steps=2)
    monkeypatch.setitem(PAPER_FIELDS, "dinr-ffnet", small)


def test_each_contestant_is_measured_by_steps_of_its_own(small_paper, make_smooth_volume):
    volume = make_smooth_volume((6, 6, 6))
    for name in ("plain_8192", "ours_fp32", "ours_bf16"):
        assert throughput.rate_of(throughput.contestant(name, volume, 64), 100) > 0


def test_training_is_measured_in_turns_and_memory_in_processes_of_their_own(small_paper, monkeypatch):
    order = []
    monkeypatch.setattr(throughput, "in_own_process", lambda function, name, batch: (batch, 1.0))
    monkeypatch.setattr(throughput, "contestant", lambda name, volume, batch: name)
    monkeypatch.setattr(throughput, "rate_of", lambda name, voxels: order.append(name) or 7.0)
    monkeypatch.setattr(throughput, "precision_used", lambda precision: "fp32")
    result = returned(throughput.training(QUICK, {"fp32": 1e9}, Budget(60)))
    assert order == ["plain_8192", "ours_fp32"] * 2  # A once, with its memory; bf16 runs as fp32 here
    assert result["plain_65536"]["coordinates_per_second"] == 1.0
    assert result["ours_bf16"] == result["ours_fp32"] | {"precision": "fp32"}
    assert result["ours_fp32"]["batch"] == 8192


def test_a_machine_that_is_too_slow_is_measured_in_one_turn(small_paper, monkeypatch):
    order = []
    monkeypatch.setattr(throughput, "in_own_process", lambda function, name, batch: (batch, 1.0))
    monkeypatch.setattr(throughput, "contestant", lambda name, volume, batch: name)
    monkeypatch.setattr(throughput, "rate_of", lambda name, voxels: order.append(name) or 7.0)
    returned(throughput.training(QUICK, {"fp32": 1e9, "bf16": 1e9}, Budget(0)))
    assert len(order) == len(set(order)) >= 2


def test_the_full_effort_measures_whole_batches_of_the_paper(monkeypatch):
    batches = {}
    monkeypatch.setattr(
        throughput, "in_own_process", lambda function, name, batch: (batches.update({name: batch}), 1.0)
    )
    running = throughput.training(FULL, {"fp32": 1e9, "bf16": 1e9}, Budget(60))
    for said in running:
        if said.startswith("training"):
            break
    assert batches["ours_fp32"] == 65_536


def test_the_tangent_kernel_is_measured_in_turns_against_both_plain_loops(monkeypatch):
    monkeypatch.setattr(kernels, "POINTS", 6)
    monkeypatch.setattr(kernels, "in_own_process", lambda peak: 7)
    effort = replace(QUICK, kernel_rows=2, checked=5)
    said = []
    found = returned(kernels.kernels(effort, Budget(60)), said)
    assert [sentence.rpartition(": ")[2] for sentence in said[:6]] == ["ours", "plain", "by_points"] * 2
    assert found["eigenvalue_error"] < 1e-5
    assert min(found[name]["seconds"] for name in ("ours", "plain", "by_points")) > 0


def test_a_picture_that_takes_too_long_is_counted_up(make_smooth_volume, exact_field, monkeypatch):
    volume = make_smooth_volume((64, 64))
    field = exact_field(volume.grid)
    levels = pictures.view_tiles(field)
    assert len(levels[-1]) > 4 * len(levels[1]) > 0
    evaluated = []
    monkeypatch.setattr(pictures, "evaluate_tiles", lambda field, tiles: evaluated.extend(tiles))
    result = pictures.zoom(field, Budget(0.0))
    assert evaluated[: len(levels[0])] == levels[0]  # the first picture is always whole
    assert result["measured_share"] == len(evaluated) / result["tiles"] < 0.1
    assert result["final_seconds"] > result["first_seconds"] >= 0
    assert pictures.zoom(field, Budget(60.0))["measured_share"] == 1


def test_a_profile_adds_up_to_the_step(make_smooth_volume):
    volume = make_smooth_volume((16, 16))
    config = preset_config("quick", volume, device="cpu")
    found = step_profile.profiled(volume, changed(config, training=changed(config.training, batch=64)), 0.05)
    assert found["step_seconds"] == pytest.approx(sum(found["stages"].values()))
    assert set(found["stages"]) >= {"embedding", "optimiser", "sampling of the batch", "forward without embedding"}
    assert min(found["stages"].values()) >= 0
    assert found["operations"]["matrix products"] > 0


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("aten::addmm", "matrix products"),
        ("aten::gelu_backward", "activations"),
        ("aten::native_layer_norm", "norms"),
        ("aten::copy_", "copies"),
        ("aten::add_", "sums and element-wise"),
        ("what else", "other"),
    ],
)
def test_operations_are_counted_by_kind(operation, kind):
    assert step_profile.kind_of(operation) == kind


def test_operations_per_coordinate_are_those_of_the_layers():
    shapes = [(257, 257)] * 6 + [(257, 256)]
    assert contestants.operations_per_coordinate() == 2 * (12 * sum(a * b for a, b in shapes) + 256)


def test_plain_and_ours_race_on_the_same_voxels(make_smooth_volume):
    volume = make_smooth_volume((8, 8))
    config = preset_config("quick", volume, device="cpu")
    task = quality.prepare_volume(volume, config.training)
    for racer in (contestants.OurRacer(task, config), contestants.PlainRacer(task, 8)):
        racer.step(10.0)
        assert racer.predicted(task.training).shape == (len(task.training), 1)


def test_the_samples_of_the_six_fields_are_2d_and_3d():
    assert {len(open_volume(f"sample:{name}").grid.shape) for name in FULL.raced} == {2, 3}
