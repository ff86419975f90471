"""Every setting of a fit: what the field is, and how it is trained. Frozen, validated, and stored in the run file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from dinr_studio.errors import ConfigError

Family = Literal["dinr-siren", "dinr-ffnet", "siren", "ffnet"]
Embedding = Literal["fourier", "siren", "positional", "hashgrid", "wire"]
Interpolation = Literal["linear", "smooth"]
Integrator = Literal["euler", "midpoint", "rk4", "dopri5"]
HeldOutScheme = Literal["random", "blocks", "planes", "frames"]

STEPS = "steps"  # the name, among a field's weights, of how many steps they serve while those still grow
MOST_STEPS = 1000
FAMILIES: tuple[Family, ...] = ("dinr-siren", "dinr-ffnet", "siren", "ffnet")

VALUE_WORDS: dict[str, Any] = {"none": None, "true": True, "false": False}  # values that are typed as words
PROBE = "probe"  # in place of a family: train some for a moment and take the best


def _counts(value: Any) -> Any:
    """Whole numbers as one writes them, 48, "16,48,48" or "16 x 48 x 48", as a tuple; anything else as it is."""
    if isinstance(value, str):
        parts = value.replace("x", ",").replace(" ", ",").split(",")
        return tuple(part for part in parts if part)
    return (value,) if isinstance(value, int | float) else value


Count = Annotated[int, Field(ge=1, le=65_536)]
Counts = Annotated[tuple[Count, ...], BeforeValidator(_counts), Field(min_length=1, max_length=4)]  # one, or by axis


class Settings(BaseModel):
    """Base of the settings: frozen, and nothing unknown is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FieldConfig(Settings):
    """What the field is: coordinates -> embedding -> latent ODE (or static network) -> decoder."""

    family: Family = Field("dinr-siren", description="Network family; dinr-* have dynamics, the others are static.")
    embedding: Embedding = Field("siren", description="How coordinates become the first latent state.")
    width: int = Field(64, ge=1, le=4096, description="Latent channels: more learn finer detail and cost more.")
    blocks: int = Field(3, ge=1, le=32, description="Residual blocks of the vector field (or of the static ffnet).")
    layers: int = Field(7, ge=2, le=64, description="Sine layers of the static siren, its first one counted.")
    steps: int = Field(4, ge=1, le=MOST_STEPS, description="Steps N of the integrator through latent time.")
    horizon: float = Field(1.0, gt=0, le=100, description="Length T of latent time; each step is T/N.")
    integrator: Integrator = Field("euler", description="How the latent ODE is solved; dopri5 chooses its own steps.")
    tolerance: float = Field(1e-4, gt=0, le=1, description="Relative tolerance of the adaptive integrator dopri5.")
    omega_0: float = Field(
        30.0, gt=0, le=1e4, description="Frequency of the first sine layer or wavelets: higher is finer."
    )
    sigma_0: float = Field(2.0, gt=0, le=1e4, description="Sharpness of a wavelet's Gaussian: higher is more local.")
    features: int = Field(256, ge=2, le=8192, description="Random Fourier features (sines and cosines together).")
    bandwidth: float = Field(10.0, gt=0, le=1e4, description="Standard deviation of the Fourier frequencies, cycles.")
    octaves: int = Field(5, ge=1, le=24, description="Octaves of the positional encoding; each doubles the frequency.")
    finest_resolution: Counts = Field(
        (64,), description="Cells of the finest level across [-1, 1]: one number, or one for each axis (z y x)."
    )
    coarsest_resolution: Count = Field(8, description="Cells of the coarsest level across [-1, 1].")
    levels: int = Field(6, ge=1, le=32, description="Levels of the hash grid, from coarse to fine.")
    features_per_level: int = Field(4, ge=1, le=64, description="Features that each vertex of the hash grid holds.")
    table_size: int = Field(
        16, ge=4, le=24, description="Rows of a level's table as a power of two; finer grids share rows by a hash."
    )
    interpolation: Interpolation = Field(
        "linear", description="Between vertices of the hash grid: linear, or smooth with a continuous gradient."
    )
    hidden_omega: float = Field(15.0, gt=0, le=1e3, description="Frequency of the hidden sine layers.")
    zero_start: bool = Field(True, description="Start the velocity's last projection at zero: steadier, 1 dB better.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout in the blocks of ffnet fields; 0 is best for fits.")

    @model_validator(mode="after")
    def _features_are_pairs(self) -> FieldConfig:
        if self.embedding == "fourier" and self.features % 2:
            raise ValueError(f"features is {self.features}; it must be even, a sine and a cosine each")
        return self


class TrainingConfig(Settings):
    """How the field is trained, on what, and when to stop."""

    max_epochs: int = Field(60, ge=1, le=1_000_000, description="Passes over the training voxels, at most.")
    time_limit: float | None = Field(None, gt=0, description="Seconds of training, at most.")
    goal_psnr: float | None = Field(None, gt=0, le=300, description="Stop when the held-out PSNR reaches this, in dB.")
    patience: int = Field(0, ge=0, description="Evaluations without a better held-out score before stopping; 0: never.")
    batch: int = Field(2048, ge=1, le=1 << 22, description="Voxels in each optimiser step.")
    micro_batch: int = Field(1024, ge=1, le=1 << 22, description="Voxels run at once; bounds memory, not the result.")
    optimiser: Literal["adamw", "muon"] = Field(
        "adamw", description="Optimiser; muon makes the inner matrices' updates orthogonal (AdamW for the rest)."
    )
    growing_steps: bool = Field(
        False, description="Begin with one step through latent time and grow to all: coarse to fine, much quicker."
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Peak learning rate.")
    weight_decay: float = Field(0.0, ge=0, le=1, description="Decoupled weight decay.")
    schedule: Literal["cosine", "plateau", "constant"] = Field("cosine", description="Learning rate over time.")
    warm_up: float = Field(0.03, ge=0, lt=1, description="Share of training over which the learning rate rises.")
    gradient_clip: float | None = Field(1.0, gt=0, description="Largest norm of the gradient; none: unclipped.")
    kinetic_weight: float = Field(0.0, ge=0, le=1e3, description="Weight of the kinetic energy: smoother dynamics.")
    kinetic_scale: Literal["variance", "absolute"] = Field(
        "variance", description="Whether the kinetic weight counts relative to the data's variance."
    )
    normalisation: Literal["percentile", "min-max"] = Field(
        "percentile", description="0.1 to 99.9 percentile to [-1, 1], or least to greatest value to [0, 1]."
    )
    outliers: Literal["exclude", "clip", "keep"] = Field(
        "exclude", description="What to do with isolated extreme voxels (hot pixels)."
    )
    scaling: Literal["physical", "per-axis"] = Field(
        "physical", description="Keep the volume's physical aspect, or stretch each axis to [-1, 1]."
    )
    held_out_share: float = Field(0.02, ge=0, le=0.95, description="Share of voxels never trained on.")
    held_out_scheme: HeldOutScheme = Field(
        "random", description="Single voxels, blocks, every second plane, or whole frames of time."
    )
    held_out_seed: int | None = Field(
        None, ge=0, le=2**63 - 1, description="Start of the choice of held-out voxels; none: the seed of all."
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="Where to compute.")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 runs the vector field in half the bits.")
    seed: int = Field(3407, ge=0, le=2**63 - 1, description="Start of all random numbers; CPU runs repeat exactly.")

    @property
    def choice_seed(self) -> int:
        """The start of the choice of held-out voxels."""
        return self.seed if self.held_out_seed is None else self.held_out_seed

    @model_validator(mode="after")
    def _a_goal_needs_held_out_voxels(self) -> TrainingConfig:
        if self.held_out_share == 0 and (self.goal_psnr is not None or self.patience):
            raise ValueError("a quality goal or early stopping needs held-out voxels: set the held-out share above 0")
        return self


class FitConfig(Settings):
    """All settings of one fit, with the preset they came from and the reasons for what was derived from the data."""

    preset: str = "auto"
    field: FieldConfig = FieldConfig()
    training: TrainingConfig = TrainingConfig()
    reasons: tuple[str, ...] = ()


S = TypeVar("S", bound=Settings)

OF_EMBEDDING: dict[Embedding, tuple[str, ...]] = {
    "fourier": ("features", "bandwidth"),
    "siren": ("omega_0",),
    "positional": ("octaves",),
    "hashgrid": (
        "finest_resolution",
        "coarsest_resolution",
        "levels",
        "features_per_level",
        "table_size",
        "interpolation",
    ),
    "wire": ("omega_0", "sigma_0"),
}
OF_DYNAMICS = ("steps", "horizon", "integrator", "zero_start", "kinetic_weight", "kinetic_scale", "growing_steps")


def without_effect(config: FieldConfig) -> set[str]:
    """Names of settings, of the field or its training, that change nothing for a field like this."""
    idle = {name for names in OF_EMBEDDING.values() for name in names} - set(OF_EMBEDDING[config.embedding])
    dynamical, sines = config.family.startswith("dinr-"), config.family.endswith("siren")
    idle |= set() if dynamical else set(OF_DYNAMICS)
    idle |= set() if dynamical and config.integrator == "dopri5" else {"tolerance"}
    idle |= {"dropout"} if sines else {"hidden_omega"}
    return idle | ({"blocks"} if config.family == "siren" else {"layers"})


def changed(settings: S, **changes: Any) -> S:
    """A copy with some settings changed and everything checked anew; raises ConfigError in one sentence."""
    return _checked(type(settings), {**dict(settings), **changes})


def with_changes(config: FitConfig, changes: Mapping[str, Any]) -> FitConfig:
    """The settings with some changed by name, each in the group that it belongs to.

    Early stopping that only the preset asked for goes with the held-out voxels that it needs.
    """
    if changes.get("held_out_share") == 0:
        changes = {"patience": 0, **changes}
    field = {name: value for name, value in changes.items() if name in FieldConfig.model_fields}
    training = {name: value for name, value in changes.items() if name in TrainingConfig.model_fields}
    unknown = sorted(set(changes) - set(field) - set(training))
    if unknown:
        known = ", ".join([*FieldConfig.model_fields, *TrainingConfig.model_fields])
        raise ConfigError(f"There is no setting {unknown[0]}; the settings are {known}.")
    return changed(config, field=changed(config.field, **field), training=changed(config.training, **training))


def value_from(text: str) -> Any:
    """A setting's value as it is typed: none, true, false, a number or a word."""
    if text.lower() in VALUE_WORDS:
        return VALUE_WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def config_from_json(text: str | bytes) -> FitConfig:
    """The settings stored in a run file; raises ConfigError where they are not what this version knows."""
    try:
        return FitConfig.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None


def _checked(kind: type[S], values: dict[str, Any]) -> S:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """The first fault of a validation as a sentence: which setting, what was found, what is allowed."""
    fault = error.errors()[0]
    name = ".".join(str(part) for part in fault["loc"]) or "settings"
    found = f" is {fault['input']!r}" if fault["loc"] else ""
    return f"The setting {name}{found}: {fault['msg'].removeprefix('Value error, ')}."
