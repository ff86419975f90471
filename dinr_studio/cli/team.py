"""Commands whose work several processes share, as torchrun starts them; the first one, the leader, speaks for all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dinr_studio.errors import DinrError, FileFormatError, RunFileError, TeamLost, TrainingDiverged

if TYPE_CHECKING:
    from dinr_studio.training.distributed import Team
    from dinr_studio.training.run import Run
    from dinr_studio.volume import Volume

LOST = "Another process of this run ended or no longer answers; see what it said, and start the run again."
SHARED = ("fit", "export")  # commands that every process takes part in


class Start(Protocol):
    """What a work begins with, as the leader tells it: how its data is opened, and what their checksum is."""

    @property
    def options(self) -> dict[str, Any]:
        """Keywords of open_volume."""

    @property
    def sha256(self) -> str:
        """The leader's Provenance.sha256."""


S = TypeVar("S", bound=Start)


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def follows() -> bool:
    """Whether this is one of several processes, and not their leader."""
    return launched() and os.environ.get("RANK", "0") != "0"


@contextmanager
def team_of_processes() -> Iterator[Team | None]:
    """The team of this process for the time of the block; None without torchrun.

    Errors that concern all are the leader's to say; the others end quietly, with the same status.
    """
    if not launched():
        yield None
        return
    from dinr_studio.training.distributed import INTERRUPTED, USER_ERROR, Dismissed, joined

    team = joined()
    try:
        yield team
        team.leave()
    except Dismissed as dismissed:
        raise SystemExit(dismissed.status) from None
    except KeyboardInterrupt:
        if team.leads:
            raise
        raise SystemExit(INTERRUPTED) from None
    except (DinrError, RuntimeError) as error:
        lost = team.is_lost(error)
        if not (lost or isinstance(error, DinrError)):
            raise
        if team.leads:
            raise (TeamLost(LOST) if lost else error) from None
        if not isinstance(error, TrainingDiverged):
            print(f"dinr-studio, process {team.rank} of {team.size}: {LOST if lost else error}", file=sys.stderr)
        raise SystemExit(USER_ERROR) from None


def begun(team: Team, file: str, begin: Callable[[bool], tuple[Volume, S]]) -> tuple[Volume, S]:
    """What the leader begins with, and the volume, which every process opens for itself.

    begin: is told whether this job was started before. Raises FileFormatError where another process finds other data
    under the same name.
    """
    own: list[Volume] = []

    def lead() -> tuple[S, bool]:
        volume, start = begin(team.started_again)
        own.append(volume)
        return start, volume.is_stored

    start, stored = team.decided(lead)
    return team.together(lambda: own[0] if own else _opened_alike(file, start, stored)), start


def _opened_alike(file: str, start: Start, stored: bool) -> Volume:
    """stored: whether the leader's values stay in their file, as they then do here, whatever memory is free."""
    from dinr_studio.io import open_volume

    volume = open_volume(file, **{**start.options, "stored": stored})
    if volume.provenance.sha256 != start.sha256:
        raise FileFormatError(
            f"{file} is not the same on all machines; put it where all of them read the same file, or copy it anew."
        )
    return volume


def run_of_this_job(output: Path) -> Run | None:
    """The run that this very job of torchrun's has left in a file, before it was started again; None if it has not."""
    if not launched() or not output.exists():
        return None
    from dinr_studio.training.distributed import run_id_of_job
    from dinr_studio.training.run_file import read_run

    try:
        run = read_run(output)
    except RunFileError:
        return None
    return run if run.run_id == run_id_of_job(output) else None
