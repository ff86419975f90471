"""The parts of a report of one run, each as blocks of a document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from dinr_studio.analysis.fsc import THRESHOLDS, length_in_words
from dinr_studio.experiments.figures import runs as figures
from dinr_studio.experiments.repeat import all_settings, description_of, wrapped
from dinr_studio.experiments.report.document import Block, Code, Heading, Panel, Paragraph, Picture, Table
from dinr_studio.experiments.report.material import Material
from dinr_studio.experiments.report.methods import times, voxels_in_words
from dinr_studio.experiments.run_facts import RunFacts, interpolation_in_words
from dinr_studio.words import bytes_in_words, seconds_in_words


def data_section(material: Material) -> list[Block]:
    """The file, its hash, shape, voxel size, units, range, and how it was opened."""
    run, volume = material.facts.run, material.volume
    grid, source = run.grid, run.provenance
    extent = times(tuple(f"{e:.6g} {u}".strip() for e, u in zip(grid.extent, grid.units, strict=True)))
    rows = {
        "file": source.file or "an array in memory",
        "SHA-256": source.sha256 or "not known",
        "format": " ".join(part for part in (source.reader, source.dataset) if part) or "not known",
        "shape": f"{times(grid.shape)} voxels ({', '.join(grid.axes)})",
        "voxel size": voxels_in_words(grid),
        "extent": extent,
        "values": _ranges(material.facts),
        "channels": f"{run.channels} {', '.join(run.channel_names)}".strip(),
    }
    if volume is not None:
        rows["missing"] = f"{100 * volume.missing_share:.2f} %"
    if run.scattered:
        rows["samples"] = f"{run.scattered:,} scattered samples"
    if run.outliers:
        done = {"exclude": "left out", "clip": "clipped", "keep": "kept"}
        rows["outliers"] = f"{run.outliers} isolated extreme voxels, {done[run.config.training.outliers]}"
    rows |= {f"opened with {name.replace('_', ' ')}": in_words(value) for name, value in run.open_options.items()}
    blocks: list[Block] = [Heading("Data"), Table(("", ""), tuple(rows.items()))]
    blocks += [Paragraph(note, "quiet") for note in source.notes]
    if volume is None:
        missing = next((said for said in material.left_out if said.startswith("Data: ")), "Data: not found.")
        sentence = f"{missing.removeprefix('Data: ')} What needs the data is left out of this report."
        blocks.append(Paragraph(sentence, "warning"))
    return blocks


def _ranges(facts: RunFacts) -> str:
    run = facts.run
    unit = run.value_unit
    ranges = [f"{low:.6g} to {high:.6g} {unit}".strip() for low, high in run.channel_ranges]
    if len(ranges) == 1:
        return ranges[0]
    names = [*run.channel_names, *(f"channel {i + 1}" for i in range(len(run.channel_names), len(ranges)))]
    return "; ".join(f"{name}: {text}" for name, text in zip(names, ranges, strict=False))


def settings_section(material: Material) -> list[Block]:
    """All settings, those that differ from the preset marked, and the reasons."""
    config, usual = material.facts.run.config, material.usual
    every = all_settings(config)
    presets = {} if usual is None else all_settings(usual)
    rows: list[tuple[str, ...]] = []
    marked: set[int] = set()
    for name, value in every.items():
        differs = name in presets and presets[name] != value
        if differs:
            marked.add(len(rows))
        own = in_words(presets[name]) if differs else ""
        rows.append((name, in_words(value), own, description_of(name)))
    said = f"Preset {config.preset}, family {config.field.family}."
    if usual is None:
        said += " What the preset has of itself follows from the data, so settings that differ are not marked."
    elif marked:
        said += f" {len(marked)} settings that differ from the preset's own are marked."
    else:
        said += " All settings are the preset's own."
    table = Table(("setting", "value", "preset's own", "what it is"), tuple(rows), marked=frozenset(marked))
    blocks: list[Block] = [Heading("Settings"), Paragraph(said)]
    if config.reasons:
        blocks.append(Paragraph(f"Why: {'; '.join(config.reasons)}.", "quiet"))
    return [*blocks, table]


def cost_section(material: Material) -> list[Block]:
    """What the fit took beside what it would be planned to take, and how it went."""
    facts, plan, run = material.facts, material.plan, material.facts.run
    memory = "not kept" if math.isnan(facts.memory_bytes) else bytes_in_words(facts.memory_bytes)
    rate = facts.epochs * run.grid.size / facts.seconds if facts.seconds > 0 else 0.0
    rows = [
        ("parameters", f"{facts.parameters:,}", "" if plan is None else f"{plan.parameters:,}"),
        ("training time", seconds_in_words(facts.seconds), "" if plan is None else seconds_in_words(plan.seconds)),
        ("memory, at most", memory, "" if plan is None else bytes_in_words(plan.peak_memory_bytes)),
        ("voxels a second", f"{rate:,.0f}", "" if plan is None else f"{plan.coordinates_per_second:,.0f}"),
        ("optimiser steps", f"{facts.steps:,}", ""),
        ("passes over the data", f"{facts.epochs:.1f}", str(run.config.training.max_epochs)),
    ]
    caption = "Fact: memory is the process's, as seen at the looks at the held-out voxels."
    if plan is not None:
        caption += f" Plan: measured for this report, on {plan.device}, which need not be the machine of the fit."
    blocks: list[Block] = [
        Heading("Plan against fact"),
        Table(("", "fact", "plan"), tuple(rows), caption, numbers=True),
    ]
    ended = f"The fit began {run.created.replace('T', ' ')} and ended: {run.end_reason or 'not yet'}."
    blocks.append(Paragraph(ended if run.finished else f"{ended} It is not finished.", "plain"))
    blocks += [Paragraph(f"Step {step:,}: {sentence}", "quiet") for step, sentence in run.history.events[:20]]
    return blocks


def curves_section(material: Material) -> list[Block]:
    """Loss and held-out score by step and by time."""
    facts = material.facts
    if not len(facts.curve("step")):
        return []
    one = (facts,)
    panels = (
        Panel(partial(figures.draw_curve, runs=one, along="step", column="data_loss")),
        Panel(partial(_held_out_panel, facts=facts)),
    )
    caption = "Data loss (mean squared error of normalised values) and the score on voxels that were never trained on"
    caption += "; dashed: interpolation from the same training voxels." if facts.rivals else "."
    blocks: list[Block] = [Heading("Curves"), Picture(panels, caption)]
    if (facts.curve("kinetic_energy") > 0).any():
        panels = (
            Panel(partial(figures.draw_curve, runs=one, along="elapsed", column="kinetic_energy")),
            Panel(partial(figures.draw_curve, runs=one, along="elapsed", column="learning_rate")),
        )
        blocks.append(Picture(panels, "Kinetic energy of the latent dynamics, and learning rate.", 2.1))
    return blocks


def _held_out_panel(axes: Any, facts: RunFacts) -> None:
    figures.draw_curve(axes, (facts,), "elapsed", "held_out_psnr")
    if facts.rivals:
        figures.draw_rivals(axes, facts)
        axes.legend(loc="best")


def scores_section(material: Material) -> list[Block]:
    """The field's errors on held-out voxels beside those of interpolation, and the verdict."""
    facts = material.facts
    blocks: list[Block] = [Heading("Whether to believe it")]
    if not facts.held_out:
        return [*blocks, Paragraph("The field was not judged on held-out voxels.", "warning")]
    held = facts.held_out
    table = {"field": held, **{interpolation_in_words(name): scores for name, scores in facts.rivals.items()}}
    if isinstance(held.get("stacked"), Mapping):
        table["field with spline"] = held["stacked"]
    rows = tuple((name, *_score_cells(scores)) for name, scores in table.items())
    count, of = held["voxels"], held.get("of", "voxels")
    caption = f"On {count:,} held-out {of}; data range {held['data_range']:.6g} {facts.run.value_unit}".rstrip() + "."
    columns = ("", "PSNR (dB)", "SSIM", "mean absolute error", "relative L2")
    blocks += [Paragraph(facts.verdict, "verdict"), Table(columns, rows, caption, frozenset({0}), numbers=True)]
    blocks += _by_channel(held)
    if facts.train_psnr is not None:
        blocks.append(Paragraph(f"On {of} that it was trained on, the field has {facts.train_psnr:.2f} dB."))
    return blocks


def _score_cells(scores: Mapping[str, Any]) -> tuple[str, ...]:
    similarity = "–" if scores.get("ssim") is None else f"{scores['ssim']:.4f}"
    return f"{scores['psnr']:.2f}", similarity, f"{scores['mae']:.4g}", f"{scores['relative_l2']:.4g}"


def _by_channel(held: Mapping[str, Any]) -> list[Block]:
    channels = held.get("by_channel") or ()
    if not channels:
        return []
    rows = []
    for channel in channels:
        rivals = channel["interpolation"]
        best = max(rivals, key=lambda name: rivals[name]["psnr"])
        cells = f"{channel['psnr']:.2f}", f"{rivals[best]['psnr']:.2f} ({best})", f"{channel['data_range']:.4g}"
        rows.append((f"{channel['name']} {channel['unit']}".strip(), *cells))
    columns = ("channel", "field, PSNR (dB)", "best interpolation", "data range")
    return [Table(columns, tuple(rows), "Each channel by its own range.", numbers=True)]


def pictures_section(material: Material) -> list[Block]:
    """The middle slice of data, field and residual; spectra; correlation; kernel; trajectory."""
    run = material.facts.run
    blocks: list[Block] = []
    if material.slices is not None:
        blocks += [Heading("Slices"), _slices(material)]
    if material.spectra is not None:
        found = material.spectra
        three = {"data": found.data, "field": found.field, "residual": found.residual}
        draw = partial(figures.draw_named_spectra, spectra=three, unit=found.unit, value_unit=run.value_unit)
        caption = f"Radial power of data, field and residual on {found.voxels:,} voxels of the middle, first channel."
        blocks += [Heading("Power spectra"), Picture((Panel(draw),), caption)]
    if material.fsc is not None:
        blocks += _correlation(material)
    return blocks + _inside(material)


def _slices(material: Material) -> Picture:
    slices, unit = material.slices, material.facts.run.value_unit
    assert slices is not None
    panels = []
    if slices.data is not None:
        panels.append(
            Panel(
                partial(figures.draw_slice, values=slices.data, plane=slices.grid, title="data", unit=unit), image=True
            )
        )
    limits = slices.data if slices.data is not None else slices.field
    field = partial(figures.draw_slice, values=slices.field, plane=slices.grid, title="field", unit=unit, like=limits)
    panels.append(Panel(field, image=True))
    if slices.residual is not None:
        residual = partial(
            figures.draw_residual, values=slices.residual, plane=slices.grid, title="field − data", unit=unit
        )
        panels.append(Panel(residual, image=True))
    where = f" at {slices.where}" if slices.where else ""
    shape = slices.grid.extent[0] / slices.grid.extent[1]
    height = 0.75 + min(4.5, 4.0 / len(panels) * shape)
    return Picture(tuple(panels), f"The middle slice{where}, first channel; colours span 99 % of the values.", height)


def _correlation(material: Material) -> list[Block]:
    found = material.fsc
    assert found is not None
    parts = []
    for name in THRESHOLDS:
        length = found.resolution(name).length
        parts.append(f"{length_in_words(length, found.unit, found.nyquist)} at {name}")
    said = (
        f"Field and data, noise and trained voxels included, agree up to {', '.join(parts)} on the middle of the "
        "volume: this says how well the field follows the data, not how well the data is resolved."
    )
    draw = partial(figures.draw_correlation, found=found)
    caption = "Fourier shell correlation of field and data, first channel."
    return [Heading("Fourier shell correlation"), Paragraph(said), Picture((Panel(draw),), caption)]


def _inside(material: Material) -> list[Block]:
    blocks: list[Block] = []
    kernel = material.kernel
    if kernel is not None:
        spectrum = kernel.spectrum
        said = (
            f"On an even sub-grid of {kernel.points:,} points the kernel has an effective rank (participation ratio) "
            f"of {spectrum.effective_rank:.1f}, a condition number of {spectrum.condition_number:.3g} (no more than 32 "
            f"bits resolve) and eigenvalues that fall as index^-{spectrum.decay:.2f}."
        )
        draw = partial(figures.draw_eigenvalues, values=spectrum.eigenvalues)
        caption = "Eigenvalues of the neural tangent kernel, by index."
        blocks += [Heading("Neural tangent kernel"), Paragraph(said), Picture((Panel(draw),), caption)]
    profile = material.trajectory
    if profile is not None:
        draw = partial(figures.draw_trajectory, times=profile.times, latent=profile.latent, speed=profile.speed)
        caption = "Root mean square of the latent state and of its velocity along latent time."
        blocks += [Heading("Latent trajectory"), Picture((Panel(draw),), caption, 2.1)]
    return blocks


def environment_section(material: Material) -> list[Block]:
    """What the fit was made with, as far as the run keeps it, and the command that repeats it."""
    run, made = material.facts.run, material.facts.run.scores.get("environment")
    rows = {"program": f"DINR Studio {run.program_version}", "run": run.run_id}
    if isinstance(made, Mapping):
        for name in ("python", "system", "processor", "processors", "threads", "device", "processes"):
            if name in made:
                rows[name] = str(made[name])
        libraries = made.get("libraries")
        if isinstance(libraries, Mapping):
            rows["libraries"] = ", ".join(f"{name} {version}" for name, version in libraries.items())
    else:
        rows["machine"] = "not kept: the run was made by an older version, or not finished"
    blocks: list[Block] = [Heading("Environment"), Table(("", ""), tuple(rows.items())), Heading("To repeat it")]
    if material.repeat.words:
        blocks.append(Code(wrapped(material.repeat.words)))
    if material.repeat.lines:
        blocks.append(Code(material.repeat.python))
    return blocks


def left_out_section(material: Material) -> list[Block]:
    """What was not possible, and why."""
    said = [sentence for sentence in material.left_out if not sentence.startswith("Data: ")]
    if not said:
        return []
    return [Heading("Left out"), *(Paragraph(sentence, "quiet") for sentence in said)]


def in_words(value: Any) -> str:
    """A setting's value for a table."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(in_words(one) for one in value)
    return str(value)
