"""Makes the turbulence samples: decaying incompressible flow in a periodic box, solved pseudo-spectrally.

    python packaging/make_turbulence.py [FOLDER]        # resources/samples by default; about a minute

Vorticity in 2D, velocity with a pressure projection in 3D; products in physical space, freed from aliases by the 2/3
rule; viscosity exact through an integrating factor; fourth-order Runge-Kutta in time. Lengths are in units of m, the
box is 2 pi m long. Sources: Canuto et al., Spectral Methods in Fluid Dynamics, 1988; Orszag, 1971.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import scipy.fft as fft

BOX = 2 * np.pi
SEED = 3407


def wave_numbers(n: int, dimensions: int) -> list[np.ndarray]:
    """Integer wave numbers along each axis, shaped to broadcast over a half spectrum of n^dimensions."""
    whole, half = np.fft.fftfreq(n, 1 / n), np.fft.rfftfreq(n, 1 / n)
    return np.meshgrid(*[whole] * (dimensions - 1), half, indexing="ij", sparse=True)


def unaliased(k: list[np.ndarray], n: int) -> np.ndarray:
    """Where every wave number lies below a third of the grid: what the 2/3 rule keeps."""
    keep = np.ones((), dtype=bool)
    for along in k:
        keep = keep & (np.abs(along) < n / 3)
    return keep


def runge_kutta(state: np.ndarray, rate: Callable, decay: np.ndarray, dt: float) -> np.ndarray:
    """One fourth-order step of state' = rate(state) with linear damping taken exactly; decay = exp(-nu k^2 dt / 2)."""
    a = rate(state)
    b = rate(decay * (state + dt / 2 * a))
    c = rate(decay * state + dt / 2 * b)
    d = rate(decay**2 * state + dt * decay * c)
    return decay**2 * state + dt / 6 * (decay**2 * a + 2 * decay * (b + c) + d)


class Flow2D:
    """Vorticity of a two-dimensional flow: w_t + u . grad w = nu laplace w; axes y, x."""

    def __init__(self, n: int, viscosity: float) -> None:
        self.n, self.viscosity = n, viscosity
        self.ky, self.kx = wave_numbers(n, 2)
        self.k2 = self.ky**2 + self.kx**2
        self.inverse = np.divide(1.0, self.k2, out=np.zeros_like(self.k2), where=self.k2 > 0)
        self.keep = unaliased([self.ky, self.kx], n)

    def velocity(self, vorticity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Velocity (u along x, v along y) in physical space of a vorticity spectrum."""
        stream = vorticity * self.inverse
        return fft.irfft2(1j * self.ky * stream), fft.irfft2(-1j * self.kx * stream)

    def rate(self, vorticity: np.ndarray) -> np.ndarray:
        """Minus the advection of a vorticity spectrum."""
        u, v = self.velocity(vorticity)
        advection = u * fft.irfft2(1j * self.kx * vorticity) + v * fft.irfft2(1j * self.ky * vorticity)
        return -fft.rfft2(advection) * self.keep

    def step(self, vorticity: np.ndarray, dt: float) -> np.ndarray:
        """The vorticity spectrum a time dt later."""
        return runge_kutta(vorticity, self.rate, np.exp(-self.viscosity * self.k2 * dt / 2), dt)


class Flow3D:
    """Velocity of a three-dimensional flow, (3, z, y, x) with components u, v, w along x, y, z."""

    def __init__(self, n: int, viscosity: float) -> None:
        self.n, self.viscosity = n, viscosity
        kz, ky, kx = wave_numbers(n, 3)
        self.k = (kx, ky, kz)
        self.k2 = kx**2 + ky**2 + kz**2
        self.inverse = np.divide(1.0, self.k2, out=np.zeros_like(self.k2), where=self.k2 > 0)
        self.keep = unaliased([kz, ky, kx], n)

    def divergence_free(self, velocity: np.ndarray) -> np.ndarray:
        """A velocity spectrum less its gradient part."""
        along = sum(k * u for k, u in zip(self.k, velocity, strict=True)) * self.inverse
        return np.stack([u - k * along for k, u in zip(self.k, velocity, strict=True)])

    def curl(self, velocity: np.ndarray) -> np.ndarray:
        """The vorticity spectrum of a velocity spectrum."""
        (kx, ky, kz), (u, v, w) = self.k, velocity
        return 1j * np.stack([ky * w - kz * v, kz * u - kx * w, kx * v - ky * u])

    def rate(self, velocity: np.ndarray) -> np.ndarray:
        """The projected u x omega of a velocity spectrum (the rotational form of advection)."""
        u, vorticity = (fft.irfftn(a, axes=(1, 2, 3)) for a in (velocity, self.curl(velocity)))
        return self.divergence_free(fft.rfftn(np.cross(u, vorticity, axis=0), axes=(1, 2, 3)) * self.keep)

    def step(self, velocity: np.ndarray, dt: float) -> np.ndarray:
        """The velocity spectrum a time dt later."""
        return runge_kutta(velocity, self.rate, np.exp(-self.viscosity * self.k2 * dt / 2), dt)


def random_spectrum(shape: tuple[int, ...], k2: np.ndarray, peak: float, random: np.random.Generator) -> np.ndarray:
    """A spectrum of white noise weighed by k^2 exp(-(k/peak)^2): large eddies of about the box over `peak`."""
    axes = tuple(range(len(shape) - k2.ndim, len(shape)))
    return fft.rfftn(random.standard_normal(shape), axes=axes) * k2 * np.exp(-k2 / peak**2)


def decaying_2d(n: int = 256, viscosity: float = 2.5e-4, until: float = 10.0) -> np.ndarray:
    """Vorticity (y, x) in 1/s of a flow that began at random with a speed of 1 m/s."""
    flow = Flow2D(n, viscosity)
    vorticity = random_spectrum((n, n), flow.k2, 8.0, np.random.default_rng(SEED)) * flow.keep
    u, v = flow.velocity(vorticity)
    vorticity /= np.sqrt(np.mean(u**2 + v**2))
    steps = int(until / (0.25 * BOX / n))
    for _ in range(steps):
        vorticity = flow.step(vorticity, until / steps)
    return fft.irfft2(vorticity)


def decaying_3d(n: int = 64, viscosity: float = 5e-3, until: float = 2.5) -> np.ndarray:
    """Velocity (3, z, y, x) in m/s of a flow that began at random with a speed of 1 m/s."""
    flow = Flow3D(n, viscosity)
    noise = random_spectrum((3, n, n, n), flow.k2, 3.0, np.random.default_rng(SEED))
    velocity = flow.divergence_free(noise * flow.keep)
    velocity /= np.sqrt(np.mean(np.sum(fft.irfftn(velocity, axes=(1, 2, 3)) ** 2, axis=0)))
    steps = int(until / (0.2 * BOX / n))
    for _ in range(steps):
        velocity = flow.step(velocity, until / steps)
    return fft.irfftn(velocity, axes=(1, 2, 3))


def save(path: Path, values: np.ndarray, unit: str, title: str) -> None:
    """Writes a field of one channel with its positions as dimension scales."""
    size = BOX / values.shape[0]
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("values", data=values.astype(np.float32), compression="gzip", shuffle=True)
        stored.attrs.update({"units": unit, "title": title, "source": "simulated by DINR Studio", "licence": "MIT"})
        for i, axis in enumerate("zyx"[-values.ndim :]):
            file[axis] = np.arange(values.shape[i]) * size
            file[axis].attrs["units"] = "m"
            file[axis].make_scale(axis)
            stored.dims[i].label = axis
            stored.dims[i].attach_scale(file[axis])


def main() -> None:
    """Makes both samples."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "resources" / "samples"
    save(folder / "turbulence_2d.h5", decaying_2d(), "1/s", "Vorticity of decaying 2D turbulence")
    save(folder / "turbulence_3d.h5", decaying_3d()[0], "m/s", "Velocity along x of decaying 3D turbulence")


if __name__ == "__main__":
    main()
