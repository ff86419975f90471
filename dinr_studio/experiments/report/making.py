"""Making a report: gathering what it tells of each run, putting it in order, and writing the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from dinr_studio import __version__
from dinr_studio.errors import ConfigError, OutputError
from dinr_studio.experiments.compare import Comparison, comparing
from dinr_studio.experiments.figures import runs as figures
from dinr_studio.experiments.report.citations import WORKS, cited
from dinr_studio.experiments.report.document import (
    Block,
    Code,
    Document,
    Heading,
    Panel,
    Paragraph,
    Picture,
    Table,
)
from dinr_studio.experiments.report.material import Material, gather
from dinr_studio.experiments.report.methods import methods
from dinr_studio.experiments.report.sections import (
    cost_section,
    curves_section,
    data_section,
    environment_section,
    in_words,
    left_out_section,
    pictures_section,
    scores_section,
    settings_section,
)
from dinr_studio.experiments.run_facts import RunFacts, read_facts
from dinr_studio.experiments.steps import Steps, part
from dinr_studio.io.atomic import atomic_output
from dinr_studio.stages import Stage
from dinr_studio.words import seconds_in_words

if TYPE_CHECKING:
    import torch

FORMATS = (".html", ".pdf")
MOST_RUNS = 12
SECTIONS: tuple[Callable[[Material], list[Block]], ...] = (
    scores_section,
    data_section,
    pictures_section,
    curves_section,
    cost_section,
    settings_section,
    environment_section,
    left_out_section,
)


@dataclass(frozen=True)
class Written:
    """A report that was written: where, on which runs, and what was left out of it and why, in sentences."""

    file: str
    runs: tuple[str, ...]
    left_out: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same by name, fit for JSON."""
        return {"file": self.file, "runs": list(self.runs), "left_out": list(self.left_out)}


def check_report(paths: Sequence[Path], output: Path) -> None:
    """Raises ConfigError or OutputError, before any work, for too many runs or a name that is no report's."""
    if not 1 <= len(paths) <= MOST_RUNS:
        raise ConfigError(f"{len(paths)} runs were named; a report tells of 1 to {MOST_RUNS}.")
    if output.suffix.lower() not in FORMATS:
        raise OutputError(f"{output.name} is no report's name; end it in {' or '.join(FORMATS)}.")


def make_report(paths: Sequence[Path], output: Path, data: str | None, device: str, *, force: bool) -> Steps[Written]:
    """Writes a report on the runs in files; data: where the data of a single run is, if not found by itself."""
    from dinr_studio.training.device import resolve_device

    check_report(paths, output)
    yield Stage(0.0, "reading runs")
    facts = read_facts(paths)
    return (yield from part(report_on(facts, output, data, resolve_device(device), force=force), 0.01, 1.0))


def report_on(
    runs: tuple[RunFacts, ...], output: Path, data: str | None, device: torch.device, *, force: bool
) -> Steps[Written]:
    """Gathers all that is told of some runs, and writes it, as HTML or PDF by the file's name."""
    from dinr_studio.training.run_data import check_not_data

    for run in runs:
        check_not_data(run.run, output)
    several = len(runs) > 1
    materials = []
    share = (0.7 if several else 0.85) / len(runs)
    for number, run in enumerate(runs):
        material = yield from part(gather(run, data, device), number * share, (number + 1) * share)
        materials.append(material)
    found = None
    if several:
        found = yield from part(comparing(runs, device), 0.7, 0.85)
    yield Stage(0.86, "drawing and writing")
    write_report(document_of(tuple(materials), found), output, force=force)
    left_out = [f"{one.facts.name}: {said}" for one in materials for said in one.left_out]
    left_out += found.refused if found is not None else ()
    return Written(str(output), tuple(run.file for run in runs), tuple(left_out))


def write_report(document: Document, output: Path, *, force: bool) -> None:
    """Writes a document in the format that a name ends in, wholly or not at all."""
    from dinr_studio.experiments.report.html import as_html
    from dinr_studio.experiments.report.pages import write_pdf

    if output.suffix.lower() == ".html":
        page = as_html(document)
        with atomic_output(output, force=force) as temporary:
            temporary.write_text(page, encoding="utf-8")
        return
    with atomic_output(output, force=force) as temporary:
        write_pdf(document, temporary)


def document_of(materials: tuple[Material, ...], found: Comparison | None) -> Document:
    """The report in the order of reading."""
    names = [material.facts.name for material in materials]
    keys = tuple(dict.fromkeys(key for material in materials for key in _cited(material)))
    numbers = {key: number + 1 for number, key in enumerate(keys)}
    blocks: list[Block] = [] if found is None else _comparison(found)
    for material in materials:
        if len(materials) > 1:
            blocks.append(Heading(material.facts.name, 1))
        for section in SECTIONS:
            blocks += section(material)
        blocks += [Heading("Methods"), Paragraph(methods(material.facts, numbers))]
    blocks.append(Heading("References", 1 if len(materials) > 1 else 2))
    blocks += [Paragraph(f"[{number}] {WORKS[key].text}") for key, number in numbers.items()]
    blocks.append(Code("\n\n".join(WORKS[key].bibtex for key in keys)))
    now = datetime.now().strftime("%Y-%m-%d %H:%M")
    data = PurePath(materials[0].facts.run.provenance.file).name or "an array"
    title = f"A neural field of {data}: {names[0]}" if len(names) == 1 else f"{len(names)} fields: {', '.join(names)}"
    return Document(title, f"Report by DINR Studio {__version__}, {now}", tuple(blocks))


def _cited(material: Material) -> tuple[str, ...]:
    also = [
        key
        for key, there in (
            ("wang2004ssim", material.facts.held_out.get("ssim") is not None),
            ("jacot2018ntk", material.kernel is not None),
            ("rosenthal2003optimal", material.fsc is not None),
        )
        if there
    ]
    return cited(material.facts.run.config, *also)


def _comparison(found: Comparison) -> list[Block]:
    """Several runs beside each other."""
    names = tuple(run.name for run in found.runs)
    blocks: list[Block] = [Heading("The runs beside each other", 1), _beside(found), Paragraph(found.held_out)]
    if found.settings:
        rows = tuple((name, *map(in_words, values)) for name, values in found.settings.items())
        blocks += [Heading("Settings that differ"), Table(("", *names), rows)]
    blocks += [Heading("Curves"), *_curves(found)]
    blocks += [Paragraph(_difference(found, name)) for name in found.differences]
    if found.plane is not None and found.plane.differences:
        blocks.append(_plane(found))
    return blocks + [Paragraph(f"Not compared: {sentence}", "warning") for sentence in found.refused]


def _difference(found: Comparison, name: str) -> str:
    """By how much a field differs from the first one's, and where most, in a sentence."""
    difference, unit = found.differences[name], found.runs[0].run.value_unit
    at = ", ".join(f"{x:.4g} {u}".strip() for x, u in zip(difference.at, difference.grid.units, strict=True))
    rms, largest = (f"{value:.4g} {unit}".rstrip() for value in (difference.rms, difference.largest))
    said = f"{name} less {found.runs[0].name}: RMS {rms} ({difference.psnr:.1f} dB below the data's range), "
    said += f"largest {largest} at {at}."
    return f"{said} Compared {difference.where}." if difference.where else said


def _beside(found: Comparison) -> Table:
    def cells(form: Callable[[RunFacts], str]) -> tuple[str, ...]:
        return tuple(form(run) for run in found.runs)

    def score(name: str, form: str) -> tuple[str, ...]:
        return cells(lambda run: "–" if run.held_out.get(name) is None else format(run.held_out[name], form))

    rows = (
        ("family", *cells(lambda run: run.run.config.field.family)),
        ("parameters", *cells(lambda run: f"{run.parameters:,}")),
        ("optimiser steps", *cells(lambda run: f"{run.steps:,}")),
        ("training time", *cells(lambda run: seconds_in_words(run.seconds))),
        ("held-out PSNR (dB)", *score("psnr", ".2f")),
        ("over the best interpolation (dB)", *cells(lambda run: "–" if run.gain is None else f"{run.gain:+.2f}")),
        ("SSIM", *score("ssim", ".4f")),
        ("mean absolute error", *score("mae", ".4g")),
        ("relative L2", *score("relative_l2", ".4g")),
    )
    return Table(("", *(run.name for run in found.runs)), rows, numbers=True)


def _curves(found: Comparison) -> list[Block]:
    panels = []
    for number, (along, column) in enumerate((("step", "data_loss"), ("elapsed", "held_out_psnr"))):
        panels.append(Panel(partial(_curve, runs=found.runs, along=along, column=column, legend=number == 1)))
    blocks: list[Block] = [Picture(tuple(panels), "Data loss by step, and held-out score by time.", 2.6)]
    if found.spectra:
        unit, value_unit = found.frequency_unit, found.runs[0].run.value_unit
        draw = partial(figures.draw_named_spectra, spectra=found.spectra, unit=unit, value_unit=value_unit)
        blocks.append(
            Picture((Panel(draw),), "Radial power over the places that all fields share, first channel.", 2.6)
        )
    return blocks


def _curve(axes: Any, runs: tuple[RunFacts, ...], along: str, column: str, legend: bool) -> None:
    figures.draw_curve(axes, runs, along, column)
    if legend:
        axes.legend(loc="best")


def _plane(found: Comparison) -> Picture:
    plane = found.plane
    assert plane is not None
    panels = []
    for name, values in plane.fields.items():
        draw = partial(
            figures.draw_slice, values=values, plane=plane.grid, title=figures.short(name), unit=plane.value_unit
        )
        panels.append(Panel(draw, image=True))
    for name, values in list(plane.differences.items())[:2]:
        title = f"{figures.short(name)}: difference"
        draw = partial(figures.draw_residual, values=values, plane=plane.grid, title=title, unit=plane.value_unit)
        panels.append(Panel(draw, image=True))
    shape = plane.grid.extent[0] / plane.grid.extent[1]
    where = f" at {plane.where}" if plane.where else ""
    return Picture(
        tuple(panels), f"The middle slice{where}, first channel.", 0.75 + min(4.5, 4.0 / len(panels) * shape)
    )
