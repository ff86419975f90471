"""What makes runs comparable whose integrators differ: counted evaluations of the vector field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from torch import nn

from dinr_studio.config import FieldConfig, changed
from dinr_studio.dynamics.integrators import STAGES
from dinr_studio.errors import ConfigError
from dinr_studio.fields.vector_fields import ResidualVectorField


def evaluations_per_pass(field: FieldConfig) -> int | None:
    """How often one pass evaluates the vector field; None where the integrator chooses its steps by itself."""
    if not field.family.startswith("dinr-"):
        return 0
    return field.steps * STAGES[field.integrator] if field.integrator in STAGES else None


def with_evaluations(field: FieldConfig, evaluations: int) -> FieldConfig:
    """The field with as many steps as evaluate the vector field so often; ConfigError where there is no such number.

    An adaptive integrator keeps its tolerance: how often it evaluates is counted, not set.
    """
    if not field.family.startswith("dinr-"):
        raise ConfigError(f"The static family {field.family} has no vector field to evaluate; vary dynamical ones.")
    stages = STAGES.get(field.integrator)
    if stages is None:
        return field
    if evaluations < stages or evaluations % stages:
        raise ConfigError(
            f"{field.integrator} evaluates the vector field {stages} times a step, so {evaluations} evaluations are no "
            f"whole number of steps; choose a multiple of {stages}."
        )
    return changed(field, steps=evaluations // stages)


class Evaluations:
    """Counts what training asks of vector fields: one for each voxel and call; looks without gradients don't count."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = Lock()

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """What torch calls before each module."""
        if isinstance(module, ResidualVectorField) and torch.is_grad_enabled():
            with self._lock:
                self.total += len(inputs[0])


@contextmanager
def counted_evaluations() -> Iterator[Evaluations]:
    """Within the block all evaluations of vector fields in this process are counted."""
    counter = Evaluations()
    handle = torch.nn.modules.module.register_module_forward_pre_hook(counter)
    try:
        yield counter
    finally:
        handle.remove()
