"""The methods paragraph: what was done to what, with this run's own numbers, in sentences ready for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from dinr_studio.coordinates import Grid
from dinr_studio.experiments.run_facts import RunFacts
from dinr_studio.words import seconds_in_words

FAMILIES = {
    "dinr-siren": "a dynamical implicit neural representation with sine layers",
    "dinr-ffnet": "a dynamical implicit neural representation with GELU layers",
    "siren": "a static sine network",
    "ffnet": "a static residual network with GELU layers",
}
SOLVERS = {
    "euler": "explicit Euler",
    "midpoint": "midpoint",
    "rk4": "fourth-order Runge-Kutta",
    "dopri5": "adaptive Dormand-Prince",
}
SCHEMES = {
    "random": "single voxels at random",
    "blocks": "blocks of four voxels along each axis at random",
    "planes": "every second plane",
    "frames": "whole frames of time",
}
NORMALISATIONS = {
    "percentile": "so that their 0.1 and 99.9 percentiles become -1 and 1",
    "min-max": "so that their least and greatest become 0 and 1",
}
SCHEDULES = {
    "cosine": "annealed along a cosine",
    "plateau": "cut to a tenth on plateaus of the loss",
    "constant": "kept constant",
}


def times(numbers: tuple[object, ...]) -> str:
    """Numbers with signs of multiplication between them."""
    return " × ".join(map(str, numbers))


def voxels_in_words(grid: Grid) -> str:
    """The size of a voxel, with the units."""
    sizes = [f"{size:.6g}" for size in grid.voxel_size]
    if len(set(grid.units)) == 1:
        one = f"{sizes[0]}" if len(set(sizes)) == 1 and len(sizes) == 1 else times(tuple(sizes))
        return f"{one} {grid.units[0] or '(no unit)'}"
    return times(tuple(f"{size} {unit}".strip() for size, unit in zip(sizes, grid.units, strict=True)))


def methods(facts: RunFacts, numbers: Mapping[str, int]) -> str:
    """The paragraph; numbers: those of the citations by their keys."""

    def cite(*keys: str) -> str:
        found = sorted(numbers[key] for key in keys if key in numbers)
        return f" [{', '.join(map(str, found))}]" if found else ""

    return " ".join(
        part
        for part in (
            _data(facts, cite("park2025dinr")),
            _field(facts, cite),
            _training(facts, cite),
            _judgement(facts, cite("wang2004ssim")),
            f"DINR Studio {facts.run.program_version} was used.",
        )
        if part
    )


def _data(facts: RunFacts, cited: str) -> str:
    run, config = facts.run, facts.run.config.field
    kind = FAMILIES.get(config.family, config.family)
    name = PurePath(run.provenance.file).name or "an array"
    size = f"{times(run.grid.shape)} voxels ({', '.join(run.grid.axes)}) of {voxels_in_words(run.grid)}"
    if run.scattered:
        size = f"{run.scattered:,} scattered samples in a box of {size}"
    channels = f" with {run.channels} channels" if run.channels > 1 else ""
    blocks = ""
    if run.partition is not None:
        blocks = f", cut into {times(run.partition.counts)} overlapping blocks with a field each"
    return f"A continuous neural field, {kind}{cited}, was fitted to {name}, {size}{channels}{blocks}."


def _field(facts: RunFacts, cite: object) -> str:
    field, training = facts.run.config.field, facts.run.config.training
    embedding = {
        "siren": f"a sine layer with omega_0 = {field.omega_0:g}{_cited(cite, 'sitzmann2020siren')}",
        "fourier": f"{field.features} random Fourier features of bandwidth {field.bandwidth:g}"
        f"{_cited(cite, 'tancik2020fourier')}",
        "hashgrid": f"a multiresolution hash grid{_cited(cite, 'mueller2022instant')}",
        "wire": f"Gabor wavelets{_cited(cite, 'saragadam2023wire')}",
        "positional": f"sines and cosines in octaves{_cited(cite, 'mildenhall2020nerf')}",
    }.get(field.embedding, field.embedding)
    scaling = "the longest edge of the box" if training.scaling == "physical" else "each edge of the box"
    begin = f"Coordinates, scaled so that {scaling} spans [-1, 1], were embedded by {embedding}"
    if field.family.startswith("dinr-"):
        solver = SOLVERS.get(field.integrator, field.integrator)
        steps = "" if field.integrator == "dopri5" else f" in {field.steps} step{'s' * (field.steps > 1)}"
        inside = (
            f"carried through latent time [0, {field.horizon:g}] by a vector field of {field.blocks} residual "
            f"block{'s' * (field.blocks > 1)} of width {field.width}, its equation{_cited(cite, 'chen2018neuralode')} "
            f"solved by the {solver} method{steps}{_cited(cite, 'dormand1980family')}"
        )
    elif field.family == "siren":
        inside = f"passed through {field.layers} sine layers of width {field.width}"
    else:
        inside = f"passed through {field.blocks} residual blocks of width {field.width}"
    return f"{begin}, {inside}, and decoded linearly; {facts.parameters:,} parameters in all."


def _training(facts: RunFacts, cite: object) -> str:
    run, training = facts.run, facts.run.config.training
    penalty = ""
    if training.kinetic_weight > 0 and run.config.field.family.startswith("dinr-"):
        penalty = f" plus {training.kinetic_weight:g} times the kinetic energy{_cited(cite, 'finlay2020train')}"
        penalty += " in units of the data's variance" if training.kinetic_scale == "variance" else ""
    optimiser = (
        f"Muon{_cited(cite, 'jordan2024muon')} for inner matrices and AdamW{_cited(cite, 'loshchilov2019adamw')}"
    )
    optimiser += " for the rest"
    if training.optimiser == "adamw":
        optimiser = f"AdamW{_cited(cite, 'loshchilov2019adamw')}"
    scaled = NORMALISATIONS.get(training.normalisation, training.normalisation)
    rate = f"a peak learning rate of {training.learning_rate:g}, {SCHEDULES.get(training.schedule, training.schedule)}"
    return (
        f"Values were scaled {scaled}. The mean squared error{penalty} was minimised by {optimiser} with {rate}, in "
        f"batches of {training.batch:,}, over {facts.steps:,} steps ({facts.epochs:.1f} passes over the data, "
        f"{seconds_in_words(facts.seconds)}), from seed {training.seed}."
    )


def _judgement(facts: RunFacts, cited: str) -> str:
    training = facts.run.config.training
    if training.held_out_share == 0:
        return "No voxels were held out, so nothing says how far to trust the field between them."
    of = str(facts.held_out.get("of", "voxels"))
    share = f"{100 * training.held_out_share:g} % of the {of} ({SCHEMES.get(training.held_out_scheme, '')})"
    if training.held_out_scheme == "planes":
        share = "Every second plane"
    said = f"{share} took no part in training and chose which weights were kept."
    if not facts.held_out:
        return f"{said} The field was not judged on them."
    best = max(facts.rivals, key=lambda name: facts.rivals[name]["psnr"]) if facts.rivals else ""
    held = facts.held_out
    similarity = "" if held.get("ssim") is None else f" and a structural similarity{cited} of {held['ssim']:.3f}"
    said += f" On {held['voxels']:,} of them the field has a PSNR of {held['psnr']:.1f} dB{similarity}"
    if best:
        said += f"; {best} interpolation from the same training {of} has {facts.rivals[best]['psnr']:.1f} dB"
    return f"{said}."


def _cited(cite: object, key: str) -> str:
    return str(cite(key)) if callable(cite) else ""
