"""The folder of a sweep: sweep.json with plan, runs and a record of each finished run, and the same as tables.

sweep.json is replaced as a whole after each run, so whatever ends the program, no finished run is lost. `runs/` holds
run files, where they are kept.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dinr_studio import __version__
from dinr_studio.errors import ConfigError, DinrError, OutputError
from dinr_studio.experiments.sweeps.plan import plan_from
from dinr_studio.experiments.sweeps.resolving import Cell, Resolved, spec_from
from dinr_studio.io.atomic import atomic_output, refusals_in_words

VERSION = 1
FILE, RUNS, TABLE = "sweep.json", "runs", "runs.csv"
FIRST_COLUMNS = ("terms", "status", "psnr", "fit_psnr", "fit_clean_psnr", "ssim")
FOR_GOOD = ("done", "diverged", "refused")  # what a run that is made again would be as well

Records = Mapping[str, Mapping[str, Any]]


def write_results(folder: Path, resolved: Resolved, records: Records, sha256: str) -> None:
    """Writes sweep.json and runs.csv; sha256: of the data, or ""."""
    whole = {
        "version": VERSION,
        "program_version": __version__,
        "data_sha256": sha256,
        "plan": resolved.plan.as_dict(),
        "cells": [asdict(cell) for cell in resolved.cells],
        "runs": {key: spec.as_dict() for key, spec in resolved.runs.items()},
        "records": records,
    }
    _write(folder / FILE, json.dumps(whole, indent=1, allow_nan=False))
    _write(folder / TABLE, as_csv(rows_of(resolved, records)))


def read_results(folder: Path) -> tuple[Resolved, dict[str, dict[str, Any]], str]:
    """Plan with its runs, records by key, and the data's sha256; OutputError where the folder holds no sweep."""
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["version"] > VERSION:
            raise OutputError(f"{path} is of a newer version of DINR Studio; update this one.")
        runs = {key: spec_from(spec) for key, spec in found["runs"].items()}
        cells = tuple(Cell(**cell) for cell in found["cells"])
        return Resolved(plan_from(found["plan"]), cells, runs), dict(found["records"]), str(found["data_sha256"])
    except OSError:
        raise OutputError(f"{folder} holds no sweep ({FILE}); name the folder of one.") from None
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError, ConfigError) as error:
        if isinstance(error, DinrError) and not isinstance(error, ConfigError):
            raise
        raise OutputError(f"{path} is damaged or no sweep's; begin the sweep anew in another folder.") from None


def holds_sweep(folder: Path) -> bool:
    """Whether a folder holds a sweep's results."""
    return (folder / FILE).is_file()


def check_folder(folder: Path) -> None:
    """Raises OutputError where a new sweep may not use a folder: one that holds anything else."""
    with refusals_in_words(folder):
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file; name a folder for the sweep.")
        if folder.is_dir() and any(folder.iterdir()):
            raise OutputError(f"{folder} holds other files; name a new folder, or an empty one, for the sweep.")
        if not folder.parent.is_dir():
            raise OutputError(f"The folder {folder.parent} does not exist; make it first or choose another.")


def finished(records: Records) -> dict[str, dict[str, Any]]:
    """The records that stand; those of runs that failed for a passing reason are left out, to be made again."""
    return {key: dict(record) for key, record in records.items() if record.get("status") in FOR_GOOD}


def rows_of(resolved: Resolved, records: Records) -> list[dict[str, Any]]:
    """One row for each cell: terms, values of the axes, status, and what was measured; not yet made ones `waiting`."""
    rows = []
    for cell in resolved.cells:
        record = {"status": "refused", "fault": cell.fault} if cell.fault else records.get(cell.run, {})
        rows.append({"terms": cell.terms, **cell.point, "run": cell.run, **{"status": "waiting", **record}})
    return rows


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as comma-separated values, with all columns that any row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    with atomic_output(path, force=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
