"""`benchmark`: speed, memory and quality for time against a plain implementation of the paper."""

from __future__ import annotations

from typing import Any

import typer

from dinr_studio.cli.progress import bar_or_lines, in_words

CONTESTANTS = {
    "plain_65536": "plain, batch 65,536 (A)",
    "plain_8192": "plain, batch 8,192 (B)",
    "plain": "plain",
    "ours_fp32": "ours, fp32",
    "ours_bf16": "ours, bf16",
}
GIB = 2**30


def measure(effort: str, *, profile: bool) -> dict[str, Any]:
    """Runs the benchmark, `quick` or `full`, with progress; returns what `benchmark --json` prints."""
    from dinr_studio.experiments.benchmark.benchmark import benchmark
    from dinr_studio.experiments.benchmark.effort import EFFORTS

    with bar_or_lines() as progress:
        for step in benchmark(EFFORTS[effort], profile=profile):
            progress.update(step.done / step.total, step.doing)
    return step.result


def print_result(result: dict[str, Any]) -> None:
    """All measurements in tables that a person reads, and what each ratio was measured against."""
    machine = result["machine"]
    typer.echo(
        f"Preset paper (dinr-ffnet) on 64^3 voxels, {machine['threads']} threads, torch {machine['torch']}; "
        f"matrix products {machine['matmul_gflops_fp32']:.0f} Gflop/s fp32, "
        f"{machine['matmul_gflops_bf16']:.1f} bf16" + ("" if machine["bf16_runs_as"] == "bf16" else " (emulated)")
    )
    _print_training(result["training"])
    _print_grid(result["grid"])
    _print_kernel(result["kernel"])
    _print_pictures(result["pictures"])
    _print_races(result["time_to_db"])
    _print_equal_seconds(result["equal_seconds"])
    for preset, profile in result.get("profile", {}).items():
        _print_profile(preset, profile)
    _print_ratios(result)
    typer.echo(f"\nMeasured in {in_words(result['seconds'])} ({result['effort']}).")


def _print_training(training: dict[str, Any]) -> None:
    _heading("Training", ("coordinates/s", "of products", "GiB", "by A", "by B"))
    for name, words in CONTESTANTS.items():
        if name in training:
            row = training[name]
            rate = row["coordinates_per_second"]
            by = [rate / training[plain]["coordinates_per_second"] for plain in ("plain_65536", "plain_8192")]
            memory = f"{row['peak_memory_bytes'] / GIB:.2f}"
            _row(_as_run(words, name, row), f"{rate:,.0f}", _share(row), memory, *(f"{ratio:.2f}" for ratio in by))


def _print_grid(grid: dict[str, Any]) -> None:
    _heading("Grid evaluation", ("coordinates/s", "of products", "error", "by plain"))
    for name, words in CONTESTANTS.items():
        if name in grid:
            row, rate = grid[name], grid[name]["coordinates_per_second"]
            by = rate / grid["plain"]["coordinates_per_second"]
            _row(_as_run(words, name, row), f"{rate:,.0f}", _share(row), f"{row['greatest_error']:.0e}", f"{by:.2f}")


def _print_kernel(kernel: dict[str, Any]) -> None:
    _heading(f"Tangent kernel, {kernel['points']:,} points", ("seconds", "GiB", "times"))
    loops = {"plain": "plain, all points forward at once", "by_points": "plain, each point by itself", "ours": "ours"}
    for name, words in loops.items():
        row = kernel[name]
        times = kernel["plain"]["seconds"] / row["seconds"]
        _row(words, f"{row['seconds']:.2f}", f"{row['peak_memory_bytes'] / GIB:.2f}", f"{times:.1f}")
    typer.echo(
        f"Eigenvalues differ by {kernel['eigenvalue_error']:.1e} of the greatest (64-bit plain kernel, "
        f"{kernel['eigenvalue_points']} points); the plain loops were timed on {kernel['plain_rows_timed']:,} rows."
    )


def _print_pictures(pictures: dict[str, Any]) -> None:
    _heading("Zoom to 64x, 900 x 900 pixels, 1 thread", ("first (s)", "final (s)", "measured"))
    for preset, row in pictures.items():
        share = f"{100 * row['measured_share']:.0f} %"
        _row(f"field of preset {preset}", f"{row['first_seconds']:.2f}", f"{row['final_seconds']:.1f}", share)


def _print_races(races: dict[str, Any]) -> None:
    _heading(
        "Time to a PSNR of fit: auto, plain B", ("dB", "ours (s)", "plain (s)", "times sooner", "best: ours", "plain")
    )
    for name, goals in races.items():
        for goal, row in goals.items():
            bests = [row["ours_best"], row["baseline_best"]]
            _row(name, goal, *_race(row), *("-" if best is None else f"{best:.1f}" for best in bests))


def _race(row: dict[str, Any]) -> tuple[str, str, str]:
    """Seconds of ours and of the baseline and how many times sooner; `>` and `<` where these are bounds."""
    ours = f"> {row['ours_trained']:.1f}" if row["ours"] is None else f"{row['ours']:.1f}"
    plain = f"> {row['baseline_trained']:.0f}" if row["baseline"] is None else f"{row['baseline']:.0f}"
    sign = {"at least": "> ", "at most": "< ", None: ""}[row["kind"]]
    return ours, plain, "-" if row["ratio"] is None else f"{sign}{row['ratio']:.1f}"


def _print_equal_seconds(fields: dict[str, Any]) -> None:
    seconds = next(iter(fields.values()))["seconds"]
    columns = ("dinr-siren", "dinr-ffnet", "siren", "ffnet", "auto", "cubic", "stacked")
    _heading(f"Held-out PSNR (dB), {seconds:.1f} s each", (*columns, "to spline"))
    for name, row in fields.items():
        ours, _, times = _race(row["time_to_spline"])
        sooner = f"{ours} s" + (f" ({times}x)" if row["time_to_spline"]["ratio"] is not None else "")
        _row(name, *(f"{row[column]:.1f}" for column in columns), sooner)
    typer.echo(
        "A quarter of the voxels trained on. stacked: the weighted mean of auto and cubic. to spline: training of auto "
        "until its held-out score is the spline's" + _families(fields)
    )


def _families(fields: dict[str, Any]) -> str:
    chosen = sorted({row["auto_family"] for row in fields.values()})
    return f"; auto chose {' and '.join(chosen)}."


def _print_profile(preset: str, profile: dict[str, Any]) -> None:
    words = f"A step of preset {preset}, {profile['batch']:,} voxels"
    for title, times in ((f"{words}: stages", profile["stages"]), ("operations of torch", profile["operations"])):
        whole = sum(times.values())
        _heading(title, ("ms", "share"))
        for name, seconds in times.items():
            _row(name, f"{1000 * seconds:.1f}", f"{100 * seconds / whole:.0f} %")
    typer.echo(f"A look at the held-out voxels takes {1000 * profile['look_seconds']:.0f} ms.")


def _print_ratios(result: dict[str, Any]) -> None:
    _heading("Ratios", ("ours",))
    for name, ratio in result["ratios"].items():
        if isinstance(ratio, float):
            against = result["measured_against"][name]
            typer.echo(f"{name:<26}{ratio:>10.3g}   against {against}")


def _as_run(words: str, name: str, row: dict[str, Any]) -> str:
    fallen_back = name == "ours_bf16" and row["precision"] != "bf16"
    return f"{words} (ran {row['precision']})" if fallen_back else words


def _share(row: dict[str, Any]) -> str:
    return f"{100 * row['share_of_products']:.0f} %"


def _heading(title: str, columns: tuple[str, ...]) -> None:
    typer.echo(f"\n{title:<42}" + "".join(f"{column:>14}" for column in columns))


def _row(name: str, *cells: str) -> None:
    typer.echo(f"{name:<42}" + "".join(f"{cell:>14}" for cell in cells))
