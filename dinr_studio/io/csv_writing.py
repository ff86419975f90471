"""Tables as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from dinr_studio.io.atomic import atomic_output

Columns = Mapping[str, Sequence[Any]]  # title, with its unit in brackets, to values; shorter columns end in empty cells


def write_csv(columns: Columns, path: Path, *, force: bool = False) -> None:
    """Writes a table wholly or not at all; raises OutputError."""
    with atomic_output(path, force=force) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip_longest(*columns.values(), fillvalue=""))
