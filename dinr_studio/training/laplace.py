"""The uncertainty of one fitted field, at the price of a least-squares problem: a Laplace approximation of its decoder.

Given what the layers before it make of a coordinate, the decoder is a linear regression, whose posterior is known in
closed form: covariance (Phi^T Phi / s^2 + a)^-1, with Phi the decoder's inputs at the voxels trained on (a sample of
them, counted as all), s^2 the variance of the errors on held-out voxels, and the precision a of the weights by the
evidence (MacKay, 1992). The layers before count as known, so the deviations are too small by themselves: they say where
the field is less sure, and held-out voxels say by how much.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.errors import ConfigError
from dinr_studio.fields.build import Field
from dinr_studio.fields.dinr import DinrField
from dinr_studio.fields.spread import DecoderSpread, decoder_inputs
from dinr_studio.fields.static import StaticField
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.training.task import Task

SAMPLE = 20_000  # voxels trained on that stand for all
AT_ONCE = 4096
ROUNDS = 20  # of the evidence's fixed point
SMALLEST, LARGEST = 1e-12, 1e12  # precision of the weights


def laplace_spread(task: Task, field: FieldOnGrid, errors: NDArray[np.float64], seed: int) -> DecoderSpread:
    """A module from coordinates to the field's standard deviation, in normalised values.

    errors: on held-out voxels (N, channels), in the value's unit. Raises ConfigError for a run of blocks.
    """
    module = field.module
    if not isinstance(module, DinrField | StaticField):
        raise ConfigError("A run of blocks has no single last layer; fit an ensemble, and ask for its uncertainty.")
    numbers = task.some_trained(SAMPLE, seed)
    gram = _gram(task, module, numbers, field.device)
    scale = task.volume.count / max(1, len(numbers))
    noise = np.square(errors / np.asarray(field.normalisation.scale)).mean(axis=0)
    weights = torch.cat([module.decoder.weight, module.decoder.bias[:, None]], dim=1).detach().double().cpu().numpy()
    roots = [_root(scale * gram, max(float(s), 1e-12), w) for s, w in zip(noise, weights, strict=True)]
    stacked = torch.from_numpy(np.stack(roots)).float().to(field.device)
    return DecoderSpread(module, stacked)


@torch.no_grad()
def _gram(task: Task, module: Field, numbers: NDArray[np.integer[Any]], device: torch.device) -> NDArray[np.float64]:
    """Phi^T Phi over some voxels."""
    width = module.decoder.in_features + 1
    gram = torch.zeros(width, width, dtype=torch.float64)
    for start in range(0, len(numbers), AT_ONCE):
        x = task.source.coordinates(numbers[start : start + AT_ONCE]).to(device)
        inputs = decoder_inputs(module, x).double().cpu()
        gram += inputs.T @ inputs
    return gram.numpy()


def _root(gram: NDArray[np.float64], noise: float, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """R with R R^T = (gram / noise + a)^-1, a by the evidence."""
    values, vectors = np.linalg.eigh(gram / noise)
    values = np.maximum(values, 0)
    size = max(float(np.square(weights).sum()), 1e-12)
    precision = len(weights) / size
    for _ in range(ROUNDS):
        effective = float((values / (values + precision)).sum())
        precision = float(np.clip(effective / size, SMALLEST, LARGEST))
    root: NDArray[np.float64] = vectors / np.sqrt(values + precision)
    return root
