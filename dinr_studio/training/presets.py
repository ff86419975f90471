"""Presets: whole sets of settings by name, fitted to a volume. `auto` derives them from the data and says why.

Figures that were measured for choosing them stand in README.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dinr_studio.analysis.spectrum import Spectrum, radial_spectrum
from dinr_studio.config import FAMILIES, Family, FieldConfig, FitConfig, TrainingConfig, changed
from dinr_studio.coordinates import CoordinateMap
from dinr_studio.errors import ConfigError
from dinr_studio.fields.presets import PAPER_FIELDS
from dinr_studio.training.device import resolve_device
from dinr_studio.volume import Volume

LOWEST_OMEGA, HIGHEST_OMEGA = 5.0, 60.0
OMEGA_PER_FREQUENCY = 6.0  # best omega_0 over the data's root mean square frequency, in cycles per network unit
BANDWIDTH_PER_FREQUENCY = 0.5
NOISY = 0.01  # share of white noise in the variance from which data counts as noisy
NOISY_OMEGA = 0.4  # what omega_0 is multiplied by then, so that the field cannot follow the noise

Preset = Callable[[Volume, Family, str], FitConfig]


def quick(volume: Volume, family: Family, device: str) -> FitConfig:
    """A sound first picture within a minute on two processor cores."""
    field, reasons = _derived_field(volume, family, width=64, steps=1)
    training = TrainingConfig(
        max_epochs=_epochs(volume, 12_000_000), time_limit=45.0, batch=2048, learning_rate=_rate(family, 64)
    )
    return FitConfig(preset="quick", field=field, training=training, reasons=reasons)


def balanced(volume: Volume, family: Family, device: str) -> FitConfig:
    """Finer detail in some minutes."""
    field, reasons = _derived_field(volume, family, width=128, steps=2)
    training = TrainingConfig(max_epochs=_epochs(volume, 15_000_000), batch=2048, learning_rate=_rate(family, 128))
    return FitConfig(preset="balanced", field=field, training=training, reasons=reasons)


def auto(volume: Volume, family: Family, device: str) -> FitConfig:
    """Width, steps, batch, frequency and learning rate from the grid, the data's spectrum and the device."""
    spectrum = _spectrum(volume)
    noisy = spectrum.noise_share > NOISY
    width = 64 if volume.grid.size < 40_000 else 96 if volume.grid.size < 2_000_000 else 128
    if device != "cpu":
        width *= 2
    steps = 2 if device == "cpu" else 4
    field, reasons = _derived_field(volume, family, width=width, steps=steps, spectrum=spectrum)
    batch = 2048 if device == "cpu" else 16_384
    training = TrainingConfig(
        max_epochs=_epochs(volume, 15_000_000 if device == "cpu" else 200_000_000),
        batch=batch,
        micro_batch=1024 if device == "cpu" else batch,
        learning_rate=_rate(family, width) * (0.5 if noisy else 1.0),
        held_out_share=0.05 if noisy else 0.02,
        patience=20 if noisy else 0,
        kinetic_weight=0.1 if noisy and family.startswith("dinr-") else 0.0,
    )
    reasons += (
        f"width {width}, {steps} steps through latent time: {volume.grid.size:,} voxels on {device}",
        f"batches of {batch}, {training.max_epochs} epochs, learning rate {training.learning_rate:.1e}",
        f"about {100 * spectrum.noise_share:.1f} % of the variance looks like white noise"
        + (": more voxels held out, early stopping, a kinetic penalty" if noisy else ": no penalty, 2 % held out"),
    )
    return FitConfig(preset="auto", field=field, training=training, reasons=reasons)


def paper(volume: Volume, family: Family, device: str) -> FitConfig:
    """The authors' settings (arXiv 2511.21787), slow on a processor; batches of 65,536, min-max values, no clipping."""
    training = TrainingConfig(
        max_epochs=300,
        batch=65_536,
        learning_rate=1e-3,
        weight_decay=1e-5,
        schedule="plateau",
        warm_up=0.0,
        gradient_clip=None,
        kinetic_weight=0.1,
        kinetic_scale="absolute",
        normalisation="min-max",
        outliers="keep",
        scaling="per-axis",
        seed=3407,
    )
    reasons = ("the authors' settings; without a GPU they take hours on a volume, so try quick or auto first",)
    return FitConfig(preset="paper", field=PAPER_FIELDS[family], training=training, reasons=reasons)


def paper_tuned(volume: Volume, family: Family, device: str) -> FitConfig:
    """The paper's networks with our training: values to [-1, 1], zero start, omega 30/15, cosine, no penalty."""
    changes: dict[str, Any] = {"zero_start": True}
    if family.endswith("siren"):
        changes |= {"omega_0": 30.0, "hidden_omega": 15.0}
    else:
        changes["bandwidth"] = _bandwidth(_spectrum(volume))
    training = TrainingConfig(max_epochs=100, batch=2048, learning_rate=3e-4)
    return FitConfig(preset="paper-tuned", field=changed(PAPER_FIELDS[family], **changes), training=training)


PRESETS: dict[str, Preset] = {
    "auto": auto,
    "quick": quick,
    "balanced": balanced,
    "paper": paper,
    "paper-tuned": paper_tuned,
}


def preset_config(preset: str, volume: Volume, family: str | None = None, device: str = "auto") -> FitConfig:
    """The settings of a preset for a volume and a device; ConfigError where there is no such preset or family."""
    if preset not in PRESETS:
        raise ConfigError(f"There is no preset {preset}; choose one of {', '.join(PRESETS)}.")
    family = family or ("dinr-ffnet" if preset == "paper" else "dinr-siren")
    if family not in FAMILIES:
        raise ConfigError(f"There is no family {family}; choose one of {', '.join(FAMILIES)}.")
    return PRESETS[preset](volume, family, resolve_device(device).type)


def _derived_field(
    volume: Volume, family: Family, *, width: int, steps: int, spectrum: Spectrum | None = None
) -> tuple[FieldConfig, tuple[str, ...]]:
    """A field whose frequencies follow the data's spectrum, and the reason in words."""
    spectrum = spectrum or _spectrum(volume)
    rms = spectrum.rms_frequency
    noisy = spectrum.noise_share > NOISY
    omega = OMEGA_PER_FREQUENCY * rms * (NOISY_OMEGA if noisy else 1.0)
    field = FieldConfig(
        family=family,
        embedding="siren" if family.endswith("siren") else "fourier",
        width=width,
        steps=steps,
        layers=5,
        omega_0=round(min(HIGHEST_OMEGA, max(LOWEST_OMEGA, omega)), 1),
        features=2 * width,
        bandwidth=_bandwidth(spectrum),
    )
    if field.embedding == "siren":
        chosen = f"omega_0 {field.omega_0:g}" + (" (lower for noisy data)" if noisy else "")
    else:
        chosen = f"bandwidth {field.bandwidth:g}"
    return field, (f"{chosen}: the data's root mean square frequency is {rms:.1f} cycles per half of the longest edge",)


def _spectrum(volume: Volume) -> Spectrum:
    return radial_spectrum(volume, CoordinateMap.of(volume.grid))


def _bandwidth(spectrum: Spectrum) -> float:
    return round(min(10.0, max(0.5, BANDWIDTH_PER_FREQUENCY * spectrum.rms_frequency)), 2)


def _rate(family: Family, width: int) -> float:
    """Peak learning rates that trained without divergence in the measurements, by family and width."""
    if family.endswith("ffnet"):
        return 1e-2 if width <= 64 else 5e-3
    return 1e-3 if width <= 64 else 5e-4


def _epochs(volume: Volume, voxels: int) -> int:
    """Passes that add up to about this many voxels seen, 10 to 2,000."""
    return int(min(2000, max(10, round(voxels / volume.grid.size))))
