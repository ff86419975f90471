"""Keeping a run while it is made: in its file, again and again, and elsewhere where that is refused at the very end."""

from __future__ import annotations

import tempfile
from pathlib import Path

from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import refusals_in_words
from dinr_studio.training.run import Run
from dinr_studio.training.run_file import write_run


class Keeper:
    """Writes a run to its file as it comes to be; without a path it does nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._refused = False
        self._kept: int | None = None

    def autosave(self, run: Run) -> str:
        """Saves a run that goes on in any case; a sentence where that fails or works again for the first time."""
        if self.path is None:
            return ""
        try:
            self._write(run)
        except OutputError as error:
            first, self._refused = not self._refused, True
            return f"{error} The fit goes on and tries again every minute." if first else ""
        before, self._refused = self._refused, False
        return f"{self.path} could be written again; the run is saved." if before else ""

    def save(self, run: Run) -> None:
        """Saves a run that ends; where that fails it goes into a temporary folder, and OutputError says which."""
        if self.path is None:
            return
        try:
            self._write(run)
        except OutputError as error:
            raise OutputError(f"{error} {self._rescued(run, self.path)}") from error

    def _write(self, run: Run) -> None:
        assert self.path is not None
        write_run(run, self.path)
        self._kept = None if run.state is None else run.state.step

    def _rescued(self, run: Run, path: Path) -> str:
        """Writes the run elsewhere, and says where, or what else is left of it."""
        try:
            with refusals_in_words(path):
                elsewhere = Path(tempfile.mkdtemp(prefix="dinr-studio-")) / path.name
            write_run(run, elsewhere)
        except OutputError:
            if self._kept is None:
                return "Nothing of this fit could be saved elsewhere either."
            return f"It holds the run as it was at step {self._kept}; --resume goes on from there."
        return f"The run is in {elsewhere} instead; move it to a place of your own."
