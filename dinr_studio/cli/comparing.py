"""`compare`: runs beside each other, as tables, a figure, and a volume of what their fields differ by."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import typer

from dinr_studio.cli.believing import check_outputs, save
from dinr_studio.cli.following import followed
from dinr_studio.cli.progress import bar_or_lines, in_words
from dinr_studio.cli.signals import termination_interrupts
from dinr_studio.errors import plain
from dinr_studio.words import bytes_in_words, seconds_in_words

WIDEST = 30  # letters of a column


def compare_runs(
    paths: list[Path], *, figure: Path | None, difference: Path | None, device: str, force: bool
) -> dict[str, Any]:
    """Compares runs and writes what was asked for; returns what `compare --json` prints."""
    check_outputs({"figure": figure, "volume": difference}, force=force)
    from dinr_studio.experiments.compare import check_runs, read_and_compare
    from dinr_studio.experiments.steps import told

    check_runs(paths)
    found = followed(told(read_and_compare(paths, device)))
    result: dict[str, Any] = found.as_dict()
    if difference is not None:
        result["difference_file"] = _write_difference(found.runs, difference, device, force=force)
    if figure is not None:
        from dinr_studio.experiments.figures.runs import comparison_figure

        result["figure"] = save(comparison_figure(found), figure, force=force)
    return result


def _write_difference(runs: Any, output: Path, device: str, *, force: bool) -> dict[str, Any]:
    from dinr_studio.experiments.compare import difference_export
    from dinr_studio.training.device import resolve_device

    steps = difference_export(runs, output, resolve_device(device), force=force)
    with bar_or_lines() as progress, termination_interrupts(), closing(steps):
        for step in steps:
            progress.update(step.done / step.total, f"writing the difference, {in_words(step.remaining)} left")
    report = step.report
    if report is None:
        raise AssertionError("an export ends with its report")
    return {"file": report.file, "shape": list(report.grid.shape), "lost": list(report.lost)}


def print_comparison(result: dict[str, Any]) -> None:
    """The tables and sentences in lines that a person reads."""
    runs = result["runs"]
    _print_table("", [run["name"] for run in runs], _rows(runs))
    _say(result["held_out"])
    if result["settings"]:
        _say("\nSettings that differ:")
        _print_table(
            "", [run["name"] for run in runs], {name: list(map(_cell, row)) for name, row in result["settings"].items()}
        )
    else:
        _say("All settings are the same.")
    for name, found in result["differences"].items():
        unit = next(run["value_unit"] for run in runs if run["name"] == name)
        at = ", ".join(f"{place:.4g} {u}".rstrip() for place, u in zip(found["at"], found["unit"], strict=True))
        _say(
            f"\n{name} less {found['from']}: RMS {found['rms']:.4g} {unit}".rstrip()
            + f" ({found['psnr']:.1f} dB below the data's range), mean {found['bias']:.3g}, largest "
            f"{found['largest']:.4g} at {at}"
        )
        if found["where"]:
            _say(f"  compared {found['where']}")
    for sentence in result["refused"]:
        print(f"not compared: {sentence}", file=sys.stderr)
    for key in ("difference_file", "figure"):
        if key in result:
            _say(f"wrote {result[key]['file'] if key == 'difference_file' else result[key]}")


def _say(text: str) -> None:
    """Prints lines in which nothing that comes from a file steers the terminal."""
    for line in text.split("\n"):
        typer.echo(plain(line))


def _rows(runs: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What the table says of each run, by line."""

    def line(read: Any) -> list[str]:
        return ["-" if (value := read(run)) is None else value for run in runs]

    held = [run["held_out"] or {} for run in runs]

    def score(name: str, form: str) -> list[str]:
        return ["-" if one.get(name) is None else format(one[name], form) for one in held]

    return {
        "family": line(lambda run: run["family"]),
        "parameters": line(lambda run: f"{run['parameters']:,}"),
        "steps trained": line(lambda run: f"{run['steps_trained']:,}"),
        "training time": line(lambda run: seconds_in_words(run["seconds"])),
        "memory": line(lambda run: run["memory_bytes"] and bytes_in_words(run["memory_bytes"])),
        "held-out PSNR (dB)": score("psnr", ".2f"),
        "over interpolation (dB)": line(
            lambda run: None if run["over_best_interpolation"] is None else f"{run['over_best_interpolation']:+.2f}"
        ),
        "SSIM": score("ssim", ".4f"),
        "MAE": score("mae", ".4g"),
        "relative L2": score("relative_l2", ".4g"),
        "training PSNR (dB)": line(lambda run: run["train_psnr"] and f"{run['train_psnr']:.2f}"),
    }


def _print_table(corner: str, columns: list[str], rows: dict[str, list[str]]) -> None:
    first = max(map(len, (corner, *rows)))
    cells = [[_short(name), *(_short(row[i]) for row in rows.values())] for i, name in enumerate(columns)]
    widths = [max(map(len, column)) for column in cells]
    for line, name in enumerate((corner, *rows)):
        _say(
            f"{name:<{first}}  "
            + "  ".join(f"{column[line]:>{width}}" for column, width in zip(cells, widths, strict=True))
        )


def _short(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 9]}…{text[-8:]}"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return "-" if value is None else str(value)
