"""Presets: whole sets of settings by name, fitted to a volume. `auto` derives them from the data and says why.

What they were chosen by stands in packaging/study.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dinr_studio.analysis.spectrum import Spectrum, radial_spectrum
from dinr_studio.analysis.variation import Variation, variation
from dinr_studio.config import (
    FAMILIES,
    OF_EMBEDDING,
    PROBE,
    Embedding,
    Family,
    FieldConfig,
    FitConfig,
    TrainingConfig,
    changed,
    with_changes,
)
from dinr_studio.coordinates import CoordinateMap, Scaling
from dinr_studio.errors import ConfigError, DataError
from dinr_studio.fields.presets import PAPER_FIELDS
from dinr_studio.training.device import resolve_device
from dinr_studio.training.embedding_settings import (
    AFTER_A_GRID,
    SPARSE,
    bandwidth,
    embedding_reason,
    embedding_settings,
)
from dinr_studio.training.probe import SECONDS, probe
from dinr_studio.volume import Volume

SCATTERED_HELD_OUT, HELD_OUT_SHARES = 200, (0.02, 0.1)  # of these as many are held out, between two shares
NOISY = 0.01  # share of white noise in the variance from which data counts as noisy

RATE = 0.01  # learning rate of Muon, for every family and width: twice as much wins some steps and ruins a long run
GRID_CONTENDER = "siren with a hash grid"
PROBED: dict[str, tuple[Family, Embedding | None]] = {
    "dinr-siren": ("dinr-siren", None),
    "siren": ("siren", None),
    GRID_CONTENDER: ("siren", "hashgrid"),
}
CLEARLY = 0.3  # dB by which a static field must be better in a probe to be preferred to dynamics
STEPS = 1  # Euler steps: at equal seconds more of them scored less, see packaging/study.md


class Wish(NamedTuple):
    """What a preset derives settings for; share: of the voxels to be held out at random, None where not known.

    embedding: None where it is the family's own.
    """

    volume: Volume
    family: Family
    device: str
    share: float | None = None
    embedding: Embedding | None = None


Preset = Callable[[Wish], FitConfig]


def quick(wish: Wish) -> FitConfig:
    """A sound first picture within a minute on two processor cores."""
    field, reasons = _derived_field(wish, width=64)
    training = _training(wish, voxels=12_000_000, time_limit=45.0)
    return FitConfig(preset="quick", field=field, training=training, reasons=reasons)


def balanced(wish: Wish) -> FitConfig:
    """Finer detail in some minutes."""
    field, reasons = _derived_field(wish, width=128)
    return FitConfig(preset="balanced", field=field, training=_training(wish, voxels=15_000_000), reasons=reasons)


def auto(wish: Wish) -> FitConfig:
    """Width, batch, frequency and epochs from the grid, the data's spectrum and the device."""
    volume, on_cpu = wish.volume, wish.device == "cpu"
    spectrum = _spectrum(volume)
    noisy = _is_noisy(spectrum)
    size = _size(volume)
    width = 64 if size < 40_000 else 96 if size < 2_000_000 else 128
    field, reasons = _derived_field(wish, width=width if on_cpu else 2 * width, spectrum=spectrum)
    batch = 2048 if on_cpu else 16_384
    training = _training(
        wish,
        voxels=15_000_000 if on_cpu else 200_000_000,
        batch=batch,
        **({"micro_batch": batch} if not on_cpu else {}),
        held_out_share=0.05 if noisy else _held_out_share(volume),
        patience=20 if noisy else 0,
        kinetic_weight=0.1 if noisy and wish.family.startswith("dinr-") else 0.0,
    )
    reasons += (
        f"width {field.width}: {size:,} {'voxels' if volume.samples is None else 'samples'} on {wish.device}",
        f"batches of {batch}, {training.max_epochs} epochs, Muon at a learning rate of {training.learning_rate:.1e}",
        _on_noise(spectrum),
    )
    return FitConfig(preset="auto", field=field, training=training, reasons=reasons)


def paper(wish: Wish) -> FitConfig:
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
    field, more = _paper_field(wish, training.scaling)
    return FitConfig(preset="paper", field=field, training=training, reasons=(*reasons, *more))


def paper_tuned(wish: Wish) -> FitConfig:
    """The paper's networks with our training: values to [-1, 1], zero start, Muon, growing steps, a kinetic penalty."""
    changes: dict[str, Any] = {"zero_start": True}
    field, reasons = _paper_field(wish, "physical")
    if wish.family.endswith("siren"):
        changes |= {"hidden_omega": 15.0} | ({"omega_0": 30.0} if field.embedding == "siren" else {})
    else:
        changes["bandwidth"] = bandwidth(_spectrum(wish.volume), 1.0)
    dynamical = wish.family.startswith("dinr-")
    training = TrainingConfig(
        max_epochs=100,
        optimiser="muon",
        learning_rate=RATE,
        growing_steps=dynamical,
        kinetic_weight=0.1 if dynamical else 0.0,
    )
    return FitConfig(preset="paper-tuned", field=changed(field, **changes), training=training, reasons=reasons)


def _paper_field(wish: Wish, scaling: Scaling) -> tuple[FieldConfig, tuple[str, ...]]:
    """The authors' field; an embedding other than theirs has settings derived from the data, and a reason."""
    field = PAPER_FIELDS[wish.family]
    if wish.embedding in (None, field.embedding):
        return field, ()
    spectrum = _spectrum(wish.volume)
    derived = embedding_settings(wish.volume, spectrum, 1.0, noisy=False, scaling=scaling)
    own = {name: derived[name] for name in OF_EMBEDDING[wish.embedding] if name in derived}
    field = changed(field, embedding=wish.embedding, **own)
    return field, (embedding_reason(field, spectrum, noisy=False),)


PRESETS: dict[str, Preset] = {
    "auto": auto,
    "quick": quick,
    "balanced": balanced,
    "paper": paper,
    "paper-tuned": paper_tuned,
}


def preset_config(
    preset: str,
    volume: Volume,
    family: str | None = None,
    device: str = "auto",
    held_out_share: float | None = None,
    embedding: str | None = None,
) -> FitConfig:
    """The settings of a preset for a volume and a device; ConfigError where there is no such preset or family.

    family: None takes the preset's own; `probe` (preset auto only) trains several, one of them with a hash grid, for
    some seconds each and takes the one that does best.
    held_out_share: what will be held out at random, where it is known: sparser samples call for lower frequencies.
    embedding: None takes the family's own.
    """
    if preset not in PRESETS:
        raise ConfigError(f"There is no preset {preset}; choose one of {', '.join(PRESETS)}.")
    if family == PROBE and preset != "auto":
        raise ConfigError(f"The family {PROBE} goes with preset auto, not with {preset}; name a family.")
    if family not in (None, PROBE, *FAMILIES):
        raise ConfigError(f"There is no family {family}; choose one of {', '.join(FAMILIES)}, or {PROBE}.")
    if held_out_share is not None:
        with_changes(FitConfig(), {"held_out_share": held_out_share})  # refuses what is no share
    chosen_embedding = None if embedding is None else changed(FieldConfig(), embedding=embedding).embedding
    if volume.count == 0:
        raise DataError("Nothing lies in the part to fit; choose a larger one.")
    kind = resolve_device(device).type
    if family == PROBE:
        by_hand = {"device": device} | ({} if held_out_share is None else {"held_out_share": held_out_share})
        wishes = {
            name: Wish(volume, own, kind, held_out_share, chosen_embedding or with_embedding)
            for name, (own, with_embedding) in PROBED.items()
            if not (chosen_embedding and with_embedding)
        }
        return probed({name: auto(wish) for name, wish in wishes.items()}, volume, by_hand)
    usual: Family = "dinr-ffnet" if preset == "paper" else "dinr-siren"
    chosen = next((known for known in FAMILIES if known == family), usual)
    return PRESETS[preset](Wish(volume, chosen, kind, held_out_share, chosen_embedding))


def probed(configs: Mapping[str, FitConfig], volume: Volume, by_hand: Mapping[str, Any]) -> FitConfig:
    """The settings that do best in a probe, with some set by hand; the first unless others are clearly better."""
    first, *others = configs
    scores = probe(volume, {name: with_changes(config, by_hand) for name, config in configs.items()})
    if not scores:
        return configs[first]
    best = max(others, key=lambda name: scores[name])
    best = best if scores[best] > scores[first] + CLEARLY else first
    said = ", ".join(f"{score:.1f} dB for {name}" for name, score in scores.items())
    reason = f"{best} by a probe of {SECONDS:g} s each: {said} on held-out voxels"
    return changed(configs[best], reasons=(reason, *configs[best].reasons))


def _derived_field(
    wish: Wish, *, width: int, spectrum: Spectrum | Variation | None = None
) -> tuple[FieldConfig, tuple[str, ...]]:
    """A field whose frequencies follow the data's spectrum and the samples' distance, and the reason in words.

    The settings of all embeddings are derived, so that another may be chosen afterwards.
    """
    spectrum = spectrum or _spectrum(wish.volume)
    noisy = _is_noisy(spectrum)
    axes = max(1, sum(n > 1 for n in wish.volume.grid.shape))
    sparseness = (1 - min(wish.share or 0.0, 0.95)) ** (1 / axes)
    network: dict[str, Any] = {"width": width, "layers": 5}
    if wish.embedding == "hashgrid":
        network = {"width": width // 2, **AFTER_A_GRID}
    field = FieldConfig(
        family=wish.family,
        embedding=wish.embedding or ("siren" if wish.family.endswith("siren") else "fourier"),
        steps=STEPS,
        features=2 * width,
        **network,
        **embedding_settings(wish.volume, spectrum, sparseness, noisy=noisy),
    )
    reason = embedding_reason(field, spectrum, noisy=noisy)
    return field, (reason + (", and few voxels are trained on" if sparseness < SPARSE else ""),)


def _spectrum(volume: Volume) -> Spectrum | Variation:
    """What is known of the data's frequencies: of scattered samples, how unlike neighbours are."""
    coordinates = CoordinateMap.of(volume.grid)
    return radial_spectrum(volume, coordinates) if volume.samples is None else variation(volume, coordinates)


def _is_noisy(spectrum: Spectrum | Variation) -> bool:
    """Whether settings should follow from noise; of scattered samples too few look just like it."""
    return isinstance(spectrum, Spectrum) and spectrum.noise_share > NOISY


def _on_noise(spectrum: Spectrum | Variation) -> str:
    """What is said of noise."""
    share = 100 * spectrum.noise_share
    if isinstance(spectrum, Variation):
        return f"{share:.1f} % of the variance is not shared by neighbouring samples: noise, or detail between them"
    consequence = "early stopping, a kinetic penalty, more voxels held out" if _is_noisy(spectrum) else "no penalty"
    return f"about {share:.1f} % of the variance looks like white noise: {consequence}"


def _size(volume: Volume) -> int:
    """Number of voxels, or of scattered samples."""
    return volume.grid.size if volume.samples is None else volume.count


def _held_out_share(volume: Volume) -> float:
    """Of few scattered samples more are held out, or chance would judge."""
    low, high = HELD_OUT_SHARES
    return low if volume.samples is None else round(min(high, max(low, SCATTERED_HELD_OUT / volume.count)), 3)


def _training(wish: Wish, voxels: int, **changes: Any) -> TrainingConfig:
    """How all but the paper's own presets train, over about this many voxels in all."""
    base: dict[str, Any] = {
        "optimiser": "muon",
        "learning_rate": RATE,
        "max_epochs": _epochs(wish.volume, voxels),
        "held_out_share": _held_out_share(wish.volume),
    }
    if wish.embedding == "hashgrid":
        base["micro_batch"] = changes.get("batch", TrainingConfig().batch)  # each has a gradient as large as the table
    return TrainingConfig(**{**base, **changes})


def _epochs(volume: Volume, voxels: int) -> int:
    """Passes that add up to about this many voxels seen, 10 to 2,000."""
    return int(min(2000, max(10, round(voxels / _size(volume)))))
