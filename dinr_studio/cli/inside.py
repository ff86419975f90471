"""`ntk`: what is inside a run's field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinr_studio.cli import values
from dinr_studio.cli.commands import AsJson, Data, Force, RunFile, print_json

if TYPE_CHECKING:
    from dinr_studio.experiments.kernel_study import KernelStudy

Figure = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FIGURE", help="A figure of it to write: .svg, .pdf or .png")
]


def ntk(
    run: RunFile,
    points: Annotated[int, typer.Option(help="Voxels at which the kernel is taken, at most.")] = 1024,
    where: Annotated[str, typer.Option(help="grid (an even sub-grid), random or held-out voxels.")] = "grid",
    against: Annotated[
        str, typer.Option(help="static: the same field without dynamics, with as many parameters; or none.")
    ] = "none",
    train_twin: Annotated[
        str | None, typer.Option("--train-twin", metavar="TIME", help="Train the twin, too, for so long (10s, 5m).")
    ] = None,
    output: Figure = None,
    data: Data = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """The neural tangent kernel: its spectrum, effective ranks, condition number and decay."""
    from dinr_studio.cli.following import followed
    from dinr_studio.experiments.kernel_study import KernelWish, study_kernel
    from dinr_studio.training.run_data import volume_of
    from dinr_studio.training.run_file import read_run

    _check_figure(output, force)
    read = read_run(run)
    wish = KernelWish(points, where, against, values.seconds(train_twin) or 0.0)
    study = followed(study_kernel(read, wish, lambda: volume_of(read, run, data)))
    if output is not None:
        from dinr_studio.experiments.figures.kernel import kernel_figure
        from dinr_studio.experiments.figures.style import save_figure

        save_figure(kernel_figure(study), output, force=force)
    print_json(study.as_dict()) if as_json else _print_kernels(study)


def _print_kernels(study: KernelStudy) -> None:
    typer.echo(f"Tangent kernel on {study.places.count} points ({study.places.where}):")
    typer.echo(f"{'':<26}{'rank':>9}{'entropy':>9}{'condition':>12}{'decay':>8}{'parameters':>12}{'s':>8}")
    for one in study.all:
        spectrum = one.spectrum
        typer.echo(
            f"{one.name:<26}{spectrum.effective_rank:>9.2f}{spectrum.entropy_rank:>9.2f}"
            f"{spectrum.condition_number:>12.4g}{spectrum.decay:>8.2f}{one.parameters:>12,}{one.seconds:>8.2f}"
        )
    typer.echo(
        "rank: participation ratio (sum l)^2 / sum l^2; entropy: exp of the entropy of l / sum l; condition: largest "
        "over smallest eigenvalue, which counts as no less than 1e-07 of the largest (32 bits)."
    )


def _check_figure(output: Path | None, force: bool) -> None:
    """Before the work: whether a figure can be written under its name."""
    if output is None:
        return
    from dinr_studio.experiments.figures.style import check_figure_name
    from dinr_studio.io.atomic import check_place, exists_already

    check_figure_name(output)
    check_place(output)
    if output.exists() and not force:
        raise exists_already(output)
