"""`ntk`, `jacobians` and `trajectories`: what is inside a run's field."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinr_studio.cli import values
from dinr_studio.cli.commands import print_json
from dinr_studio.cli.options import AsJson, Data, Figure, Force, RunFile

if TYPE_CHECKING:
    from dinr_studio.experiments.inside.course import Course
    from dinr_studio.experiments.inside.jacobian_study import JacobianStudy
    from dinr_studio.experiments.inside.kernel_study import KernelStudy
    from dinr_studio.experiments.inside.trajectory_study import TrajectoryStudy

CourseLooks = Annotated[
    int,
    typer.Option(
        "--course", metavar="LOOKS", help="Looks over training as well, evenly in log of steps: trains the run again."
    ),
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
    course: CourseLooks = 0,
    output: Figure = None,
    data: Data = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """The neural tangent kernel: its spectrum, effective ranks, condition number and decay."""
    from dinr_studio.cli.following import followed
    from dinr_studio.experiments.inside.kernel_study import KernelWish, study_kernel
    from dinr_studio.training.run_data import volume_of
    from dinr_studio.training.run_file import read_run

    _check_figure(output, force)
    read = read_run(run)
    wish = KernelWish(points, where, against, values.seconds(train_twin) or 0.0, course)
    study = followed(study_kernel(read, wish, lambda: volume_of(read, run, data)))
    if output is not None:
        from dinr_studio.experiments.figures.kernel import kernel_figure
        from dinr_studio.experiments.figures.style import save_figure

        save_figure(kernel_figure(study), output, force=force)
    print_json(study.as_dict()) if as_json else _print_kernels(study)


def jacobians(
    run: RunFile,
    points: Annotated[int, typer.Option(help="Places at which Jacobians are taken, at most.")] = 32,
    seeds: Annotated[
        str | None, typer.Option(help="Fields of other seeds beside it, such as 1,2: as they begin, or see --train.")
    ] = None,
    train: Annotated[
        str | None, typer.Option(metavar="TIME", help="Train each of these for so long (10s, 5m) first.")
    ] = None,
    course: CourseLooks = 0,
    output: Figure = None,
    data: Data = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """How the Jacobians of the dynamics are aligned from step to step, and what rank their product has."""
    from dinr_studio.cli.following import followed
    from dinr_studio.experiments.inside.jacobian_study import study_jacobians
    from dinr_studio.training.run_data import volume_of
    from dinr_studio.training.run_file import read_run

    _check_figure(output, force)
    read, chosen, seconds = read_run(run), values.whole_numbers(seeds, "--seeds") or (), values.seconds(train) or 0.0
    given = partial(volume_of, read, run, data)
    study = followed(study_jacobians(read, points, seeds=chosen, train=seconds, data=given, course=course))
    if output is not None:
        from dinr_studio.experiments.figures.dynamics import jacobian_figure
        from dinr_studio.experiments.figures.style import save_figure

        save_figure(jacobian_figure(study), output, force=force)
    print_json(study.as_dict()) if as_json else _print_jacobians(study)


def trajectories(
    run: RunFile,
    points: Annotated[int, typer.Option(help="Places from which trajectories are followed, at most.")] = 512,
    where: Annotated[str, typer.Option(help="grid (an even sub-grid), random or held-out voxels.")] = "grid",
    output: Figure = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Latent trajectories: norms, speeds, curvature and energy by step, and the solver's error."""
    from dinr_studio.cli.following import followed
    from dinr_studio.experiments.inside.trajectory_study import study_trajectories
    from dinr_studio.training.run_file import read_run

    _check_figure(output, force)
    study = followed(study_trajectories(read_run(run), points, where))
    if output is not None:
        from dinr_studio.experiments.figures.dynamics import trajectory_figure
        from dinr_studio.experiments.figures.style import save_figure

        save_figure(trajectory_figure(study), output, force=force)
    print_json(study.as_dict()) if as_json else _print_trajectories(study)


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
    _print_course(study.course)
    if study.forecast is None:
        typer.echo(f"No forecast of training: {study.no_forecast}")
        return
    found = study.forecast
    typer.echo(
        "Forecast of training by the kernel at its start, if that stayed and training were a gradient flow, with the "
        f"time set by the training loss of {found.loss:.4g} (mean squares, normalised units):"
    )
    unit = f"frequency (1/{found.unit or 'voxel unit'})"
    for title, bands in (("direction", found.directions), (unit, found.frequencies)):
        typer.echo(f"{title:>26}{'at the start':>14}{'forecast':>12}{'measured':>12}" if bands else "", nl=bool(bands))
        for band in bands:
            place = f"{band.low:.4g} to {band.high:.4g}"
            typer.echo(f"{place:>26}{band.before:>14.3g}{band.forecast:>12.3g}{band.measured:>12.3g}")


def _print_jacobians(study: JacobianStudy) -> None:
    typer.echo(f"Jacobians at {study.points} points, latent width {study.width}, steps of {study.dt:g}:")
    typer.echo(
        f"{'':>26}{'|J|':>10}{'rank J':>9}{'rank I+dtJ':>12}{'rank product':>14}{'with next':>11}{'with first':>12}"
    )
    for one in study.all:
        typer.echo(one.name)
        for k, norm in enumerate(one.norm):
            following = _or_dash(one.alignment_next[k]) if k < len(one.alignment_next) else "-"
            first = _or_dash(one.alignment_first[k - 1]) if k else "1"
            typer.echo(
                f"{f'step {k + 1}':>26}{norm:>10.3g}{_or_dash(one.jacobian_rank[k]):>9}{one.step_rank[k]:>12.4g}"
                f"{one.product_rank[k]:>14.4g}{following:>11}{first:>12}"
            )
    typer.echo(
        f"ranks: participation ratios of squared singular values; with next, with first: mean squared cosine of the "
        f"principal angles between the {study.leading} leading directions ({study.chance:.2g} by chance)."
    )
    _print_course(study.course)
    typer.echo(study.verdict)


def _print_course(course: Course | None) -> None:
    """A line for each look; nothing where there is no course."""
    if course is None:
        return
    typer.echo(f"Over training. {course.note}")
    typer.echo(f"{'step':>9}{'epoch':>9}" + "".join(f"{name.replace('_', ' '):>18}" for name in course.titles))
    for look in course.looks:
        cells = "".join(f"{_or_dash(float(look.measures[name])):>18}" for name in course.titles)
        typer.echo(f"{look.step:>9,}{look.epoch:>9.2f}{cells}")


def _or_dash(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def _print_trajectories(study: TrajectoryStudy) -> None:
    typer.echo(f"Latent trajectories from {study.points} points, {study.integrator}, {study.steps} steps:")
    typer.echo(f"{'latent time':>12}{'|z|':>12}{'|f|':>12}{'curvature':>12}{'energy':>12}{'solver error':>14}")
    for k, time in enumerate(study.times):
        energy = f"{study.energy[k]:.4g}" if k < len(study.energy) else "-"
        typer.echo(
            f"{time:>12.4g}{study.norm.mean[k]:>12.4g}{study.speed.mean[k]:>12.4g}"
            f"{_or_dash(study.curvature.mean[k]):>12}{energy:>12}{study.error[k]:>14.3g}"
        )
    typer.echo(
        f"kinetic energy {study.energy.sum():.4g}; paths of length {study.path:.4g}, straight by "
        f"{study.straightness:.3f} (displacement over length)"
    )
    typer.echo(f"Error at the end against {study.reference}:")
    for solved in study.solved:
        off = ", ".join(f"{value:.3g}" for value in solved.value)
        typer.echo(
            f"{solved.steps:>6} steps: latent {solved.latent:.3g} of its norm, values {off} {study.unit}".rstrip()
        )
    if study.order is not None:
        typer.echo(f"It falls with the steps to the power of {study.order:.2f}.")


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
