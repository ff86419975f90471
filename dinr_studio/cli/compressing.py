"""`compress`: a run, or a volume that is fitted first, as a small file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dinr_studio.cli.fitting import line_of, settled
from dinr_studio.cli.following import followed
from dinr_studio.cli.progress import bar_or_lines
from dinr_studio.config import FitConfig, changed
from dinr_studio.errors import ConfigError, DataNotFound, OutputError
from dinr_studio.io.atomic import exists_already
from dinr_studio.training.choosing import by_hand
from dinr_studio.training.stopping import stop_requested

if TYPE_CHECKING:
    from dinr_studio.experiments.compression.compression import CompressionReport, Wish
    from dinr_studio.training.run import Run
    from dinr_studio.volume import Volume

AUTO = "auto"
STOPPING = b"\nStopping the fit; the small file is written from what is learnt. Ctrl-C again ends at once.\n"
DEFAULT_SECONDS = 60.0


@dataclass(frozen=True)
class VolumeRequest:
    """A volume to fit: where it is, how to open it, for how long, and settings by name."""

    file: str
    options: dict[str, Any]
    seconds: float | None
    family: str | None
    changes: dict[str, Any]


def wish_of(bits: str | None, target_psnr: float | None, ratio: float | None, finetune: float | None) -> Wish:
    """What the options ask for; ConfigError where that is not understood."""
    from dinr_studio.experiments.compression.compression import Wish
    from dinr_studio.experiments.compression.quantising import ALLOWED

    if bits not in (None, AUTO) and not bits.isdecimal():
        raise ConfigError(f"--bits is {bits!r}; {ALLOWED} are allowed.")
    return Wish(None if bits in (None, AUTO) else int(bits), target_psnr, ratio, finetune=finetune or 0.0)


def compress_run(run_path: Path, output: Path, wish: Wish, data: str | None, *, force: bool) -> dict[str, Any]:
    """Compresses a run; returns what `compress --json` prints."""
    from dinr_studio.experiments.compression.compression import compress
    from dinr_studio.experiments.steps import told
    from dinr_studio.training.run_file import read_run

    _check_output(output, force)
    if output.exists() and run_path.exists() and output.samefile(run_path):
        raise OutputError(f"{output} is the run itself, which could then not be gone on with; choose another name.")
    run = read_run(run_path)
    volume = _data_of(run, run_path, data)
    report = followed(told(compress(run, output, wish, volume, force=force)))
    return {**_described(report, run), "run_bytes": run_path.stat().st_size, "fit_seconds": None}


def compress_volume(request: VolumeRequest, output: Path, wish: Wish, *, force: bool) -> dict[str, Any]:
    """Fits a field of the size that the ratio leaves room for, and compresses it; returns what is printed."""
    from dinr_studio.experiments.compression.compression import compress
    from dinr_studio.experiments.compression.representation import representation_config, width_for, with_width
    from dinr_studio.experiments.compression.yardstick import raw_bytes
    from dinr_studio.experiments.steps import told
    from dinr_studio.io import open_volume

    _check_output(output, force)
    if wish.ratio is None and "width" not in request.changes:
        raise ConfigError(
            f"{request.file} is no run file, so a field has to be fitted first: say how small with --ratio, such as "
            "--ratio 100, or choose its width with --set width=48."
        )
    volume = open_volume(request.file, **request.options)
    seconds = request.seconds or DEFAULT_SECONDS
    family = request.family or "dinr-siren"
    config = representation_config(volume, 8, seconds, family, request.changes)
    if wish.ratio is not None and "width" not in request.changes:
        axes = len(volume.grid.shape)
        config = with_width(config, width_for(config, axes, volume.channels, raw_bytes(volume) / wish.ratio))
    config = changed(config, reasons=config.reasons + by_hand(request.changes))
    run = _fitted(volume, config, request.options)
    report = followed(told(compress(run, output, wish, volume, force=force)))
    elapsed = run.state.elapsed if run.state is not None else None
    return {**_described(report, run), "run_bytes": None, "fit_seconds": elapsed}


def _check_output(output: Path, force: bool) -> None:
    from dinr_studio.training.run_file import check_run_name

    check_run_name(output)
    if output.exists() and not force:
        raise exists_already(output)


def _data_of(run: Run, run_path: Path, data: str | None) -> Volume | None:
    """The data of a run; None, and a sentence, where it is gone and none was named."""
    from dinr_studio.training.run_data import volume_of

    try:
        return volume_of(run, run_path, data)
    except DataNotFound as error:
        if data is not None:
            raise
        typer.echo(f"{error} Without it no PSNR can be given.", err=True)
        return None


def _fitted(volume: Volume, config: FitConfig, options: dict[str, Any]) -> Run:
    """The run after training; Ctrl-C ends training early."""
    from dinr_studio.fields.build import parameter_count
    from dinr_studio.training.fit import fit

    count = parameter_count(config.field, len(volume.grid.shape), volume.channels)
    with bar_or_lines() as progress, stop_requested(STOPPING) as stop:
        progress.say(f"Fitting a {config.field.family} of width {config.field.width}, {count:,} weights, to all voxels")
        snapshots = fit(volume, config, open_options=settled(options), enough=stop.is_set)
        for snapshot in snapshots:
            progress.update(*line_of(snapshot, config))
    assert snapshot.run is not None
    return snapshot.run


def _described(report: CompressionReport, run: Run) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **asdict(report),
        "ratio": report.ratio,
        "stored_ratio": report.stored_ratio,
        "bits_per_weight": report.bits_per_weight,
        "family": run.config.field.family,
        "width": run.config.field.width,
        "decoded": True,
    }


def print_result(result: dict[str, Any]) -> None:
    """The outcome in lines that a person reads."""
    bits = "steps by sensitivity" if result["bits"] is None else f"{result['bits']} bits"
    typer.echo(
        f"wrote {result['file']}: {result['bytes']:,} bytes; {result['weights']:,} weights in {bits}, "
        f"{result['bits_per_weight']:.2f} bits each as coded ({result['weight_bytes']:,} bytes), and "
        f"{result['description_bytes']:,} bytes that describe them"
    )
    typer.echo(
        f"{result['ratio']:.1f} times smaller than the raw values "
        f"({result['raw_bytes']:,} bytes of {result['raw_type']})"
    )
    if result["stored_ratio"] is not None:
        typer.echo(
            f"{result['stored_ratio']:.1f} times smaller than the data's file ({result['stored_bytes']:,} bytes)"
        )
    if result["psnr"] is None:
        typer.echo(f"against the run's field {result['deviation_psnr']:.2f} dB; the data is not there to compare with")
        return
    where = "all voxels" if result["whole"] else f"{result['voxels']:,} voxels at random"
    typer.echo(
        f"PSNR {result['psnr']:.2f} dB on {where}, read back from the file "
        f"(before: {result['psnr_before']:.2f} dB; peak: the data's range)"
    )
