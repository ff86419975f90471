"""The failure signatures of a fit, told in plain words with what would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

EXPLODING = 20.0  # times that the latent state may grow along its way
STILL = 1e-3  # of the latent state: a movement over all latent time below which the dynamics do nothing
LOOKS = 6  # looks at the held-out voxels that a trend needs
RISE = 0.3  # dB that the held-out score must have fallen from its best to count as fitting noise
OUTSIDE = 0.5  # of the data's range: how far beyond it the field may reach

Change = float | int | str | tuple[int, ...]  # a setting's value


@dataclass(frozen=True)
class HashGrid:
    """The settings of a hash grid that say how fine a detail it can learn."""

    finest_resolution: tuple[int, ...]
    coarsest_resolution: int
    interpolation: str


@dataclass(frozen=True)
class Finding:
    """One thing that goes wrong: a sentence, what to do about it, and the settings (by name) that do it."""

    name: str
    sentence: str
    remedy: str
    changes: Mapping[str, Change] = field(default_factory=dict)


@dataclass(frozen=True)
class Signs:
    """What a diagnosis looks at; whatever was not measured is None or empty.

    latent and speed: root mean square of z_k and f_k along latent time. data_loss and held_out_psnr: one entry for each
    look. ranks: effective rank of the kernel now and of the static baseline's. reach: least and greatest value of the
    field, data_range: of the data.
    """

    latent: Sequence[float] = ()
    speed: Sequence[float] = ()
    horizon: float = 1.0
    data_loss: NDArray[np.float64] | None = None
    held_out_psnr: NDArray[np.float64] | None = None
    ranks: tuple[float, float] | None = None
    reach: tuple[float, float] | None = None
    data_range: tuple[float, float] | None = None
    kinetic_weight: float = 0.0
    omega_0: float | None = None
    hash_grid: HashGrid | None = None
    learning_rate: float = 1e-3


def diagnose(signs: Signs) -> list[Finding]:
    """Every failure signature (DESIGN.md, section 1) that the signs show."""
    checks = (_exploding, _idle, _fitting_noise, _out_of_range)
    return [finding for check in checks if (finding := check(signs)) is not None]


def _exploding(signs: Signs) -> Finding | None:
    if len(signs.latent) < 2 or signs.latent[0] <= 0 or signs.latent[-1] < EXPLODING * signs.latent[0]:
        return None
    growth = signs.latent[-1] / signs.latent[0]
    weight = max(0.1, 3 * signs.kinetic_weight)
    return Finding(
        "exploding",
        f"Trajectories explode: |z| grows {growth:.0f} times along latent time.",
        f"Penalise movement: kinetic weight {weight:g}",
        {"kinetic_weight": weight},
    )


def _idle(signs: Signs) -> Finding | None:
    if len(signs.latent) < 2 or not len(signs.speed):
        return None
    moved = float(np.mean(signs.speed)) * signs.horizon
    if moved >= STILL * signs.latent[0]:
        return None
    rank = ""
    if signs.ranks is not None and signs.ranks[0] <= signs.ranks[1]:
        rank = f", and the kernel's rank ({signs.ranks[0]:.1f}) is no higher than the static network's"
    return Finding(
        "idle",
        f"The dynamics do nothing: over all latent time z moves by {100 * moved / signs.latent[0]:.2g} % of itself"
        f"{rank}.",
        "Let it move: no kinetic penalty, twice the learning rate",
        {"kinetic_weight": 0.0, "learning_rate": min(1.0, 2 * signs.learning_rate)},
    )


def _fitting_noise(signs: Signs) -> Finding | None:
    if signs.held_out_psnr is None or signs.data_loss is None:
        return None
    seen = np.isfinite(signs.held_out_psnr) & np.isfinite(signs.data_loss)
    psnr, loss = signs.held_out_psnr[seen], signs.data_loss[seen]
    if len(psnr) < LOOKS:
        return None
    best = int(np.argmax(psnr))
    if len(psnr) - best <= LOOKS // 2 or psnr[best] - psnr[-LOOKS // 2 :].max() < RISE or loss[-1] >= loss[best]:
        return None
    smoother, words = _smoother(signs)
    remedy = "Stop at the best score (patience 20)" + (f" and learn smoother fields: {words}" if words else "")
    return Finding(
        "noise",
        f"The field learns noise: held-out PSNR fell {psnr[best] - psnr[-1]:.1f} dB below its best "
        "while the training error still falls; the best weights are kept.",
        remedy,
        {"patience": 20, **smoother},
    )


def _smoother(signs: Signs) -> tuple[dict[str, Change], str]:
    """Settings that let the same embedding learn less detail, and the same in words; nothing where none are known."""
    if signs.omega_0 is not None:
        omega = round(signs.omega_0 / 2, 1)
        return {"omega_0": omega}, f"omega_0 {omega:g}"
    if signs.hash_grid is None:
        return {}, ""
    grid = signs.hash_grid
    factor = max(0.5, grid.coarsest_resolution / max(grid.finest_resolution))  # none below the coarsest level's
    fewer = tuple(max(1, round(factor * cells)) for cells in grid.finest_resolution)
    if factor < 1 and fewer != grid.finest_resolution:
        return {"finest_resolution": fewer}, f"finest_resolution {'x'.join(map(str, fewer))}"
    if grid.interpolation != "smooth":
        return {"interpolation": "smooth"}, "interpolation smooth"
    return {}, ""


def _out_of_range(signs: Signs) -> Finding | None:
    if signs.reach is None or signs.data_range is None:
        return None
    (low, high), (least, greatest) = signs.reach, signs.data_range
    allowed = OUTSIDE * (greatest - least)
    if np.isfinite([low, high]).all() and low >= least - allowed and high <= greatest + allowed:
        return None
    changes: dict[str, Change] = {"learning_rate": signs.learning_rate / 3}
    remedy = f"A third of the learning rate ({changes['learning_rate']:.1e})"
    if signs.omega_0 is not None:
        changes["omega_0"] = round(signs.omega_0 / 2, 1)
        remedy += f" and omega_0 {changes['omega_0']:g}"
    return Finding(
        "diverging",
        f"The field leaves the data's range: {low:.3g} to {high:.3g} where the data has {least:.3g} to {greatest:.3g}.",
        remedy,
        changes,
    )
