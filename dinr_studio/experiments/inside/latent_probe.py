"""Latent trajectories of a run's field, in 64 bits, for studies of its dynamics."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dinr_studio.config import FieldConfig, FitConfig, changed
from dinr_studio.dynamics.integrators import Moment, trajectory
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.inside.kernel_places import Places
from dinr_studio.fields.build import build_field, load_field
from dinr_studio.fields.dinr import DinrField
from dinr_studio.sampling.latent import FINE_STEPS
from dinr_studio.stages import Stage, Stages
from dinr_studio.training.run import Run, Weights
from dinr_studio.volume import Volume

Data = Callable[[], Volume]


def check_dynamic(run: Run) -> None:
    """Raises ConfigError for a run whose field has no dynamics of its own."""
    if not run.config.field.family.startswith("dinr-"):
        raise ConfigError(f"The family {run.config.field.family} is static: there are no dynamics to look at.")
    if run.partition is not None:
        raise ConfigError("The run has a field for each of its blocks; dynamics are looked at in a run of one field.")


def dynamic_field(run: Run) -> DinrField:
    """The field of a run's weights, in 64 bits; check_dynamic comes first."""
    return _in_64_bits(load_field(run.config.field, len(run.grid.shape), run.channels, run.best))


def fresh_field(run: Run, seed: int) -> DinrField:
    """The field as a fit with some seed begins it, with as many steps as the run's weights serve, in 64 bits."""
    config = changed(run.config.field, steps=dynamic_field(run).config.steps)
    return _in_64_bits(build_field(config, len(run.grid.shape), run.channels, seed=seed))


def field_of_weights(run: Run, config: FieldConfig, weights: Weights) -> DinrField:
    """A field of other weights on the run's grid, in 64 bits."""
    return _in_64_bits(load_field(config, len(run.grid.shape), run.channels, weights))


def _in_64_bits(field: torch.nn.Module) -> DinrField:
    assert isinstance(field, DinrField)
    field.precision = "fp32"
    return field.double().eval().requires_grad_(False)


def coordinates_at(run: Run, places: Places) -> Tensor:
    """Network coordinates (N, axes) in 64 bits."""
    return torch.from_numpy(places.network(run)).double()


def scheme_of(field: DinrField) -> tuple[str, int]:
    """Integrator and steps whose moments stand for the field's trajectory; an adaptive one's are fine ones of rk4."""
    config = field.config
    return ("rk4", FINE_STEPS) if config.integrator == "dopri5" else (config.integrator, field.steps)


def moments_of(field: DinrField, x: Tensor) -> list[Moment]:
    """All moments of the trajectories from coordinates x, z(0) to z(T)."""
    integrator, steps = scheme_of(field)
    horizon = field.config.horizon
    with torch.no_grad():
        start = field.embedding(x)
        return list(trajectory(field.vector_field, start, integrator=integrator, steps=steps, horizon=horizon))


def trained_weights(run: Run, config: FieldConfig, data: Data, seconds: float, *, seed: int, doing: str) -> Stages:
    """Trains a field on the run's data, with the run's settings but for length and seed; its best weights."""
    from dinr_studio.training.fit import fit

    training = changed(
        run.config.training, time_limit=seconds, max_epochs=1_000_000, goal_psnr=None, patience=0, seed=seed,
        growing_steps=False,
    )  # fmt: skip
    weights: Weights = {}
    settings = FitConfig(preset=run.config.preset, field=config, training=training)
    for snapshot in fit(data(), settings, open_options=run.open_options):
        yield Stage(min(1.0, snapshot.elapsed / seconds), doing)
        if snapshot.run is not None and snapshot.run.best:
            weights = snapshot.run.best
    yield Stage(1.0, doing, weights)
