"""`benchmark`: the speed of training against a plain implementation of the paper."""

from __future__ import annotations

from typing import Any

import typer

from dinr_studio.cli.progress import bar_or_lines

IN_WORDS = {
    "plain_65536": "plain, batch 65,536 (A)",
    "plain_8192": "plain, batch 8,192 (B)",
    "ours_fp32": "ours, fp32",
    "ours_bf16": "ours, bf16",
}


def measure(repeats: int) -> dict[str, Any]:
    """Runs the benchmark with progress; returns what `benchmark --json` prints."""
    from dinr_studio.experiments.benchmark import benchmark

    with bar_or_lines() as progress:
        for step in benchmark(repeats):
            progress.update(step.done / step.total, step.doing)
    return step.result


def print_result(result: dict[str, Any]) -> None:
    """Throughput, memory and ratios in lines that a person reads."""
    machine, training, ratios = result["machine"], result["training"], result["ratios"]
    typer.echo(
        f"Preset paper (dinr-ffnet) on 64^3 voxels, {machine['threads']} threads, torch {machine['torch']}; "
        f"matrix products {machine['matmul_gflops_fp32']:.0f} Gflop/s fp32, "
        f"{machine['matmul_gflops_bf16']:.0f} bf16"
    )
    typer.echo(f"{'':<26}{'coordinates/s':>14}{'memory (GiB)':>14}{'speed by A':>12}{'by B':>8}")
    for name, words in IN_WORDS.items():
        rate, memory = training[name]["coordinates_per_second"], training[name]["peak_memory_bytes"] / 2**30
        by_a, by_b = (rate / training[plain]["coordinates_per_second"] for plain in ("plain_65536", "plain_8192"))
        typer.echo(f"{words:<26}{rate:>14,.0f}{memory:>14.2f}{by_a:>12.2f}{by_b:>8.2f}")
    typer.echo(f"Peak memory of a training step: {ratios['memory_vs_65536']:.3f} of the plain one's (A).")
