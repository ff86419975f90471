"""Following a long work in the shell: its progress on standard error, its result back."""

from __future__ import annotations

import math
import time
from contextlib import closing
from typing import Any

from dinr_studio.cli.progress import bar_or_lines, in_words
from dinr_studio.cli.signals import termination_interrupts
from dinr_studio.stages import Stages


def followed(stages: Stages) -> Any:
    """The last result of a work, after telling how far it is; an interruption closes it."""
    result, started = None, time.perf_counter()
    with termination_interrupts(), bar_or_lines() as progress, closing(stages):
        for stage in stages:
            result = stage.result if stage.result is not None else result
            if not math.isnan(stage.share):
                elapsed = time.perf_counter() - started
                left = elapsed * (1 - stage.share) / stage.share if stage.share > 0 else math.nan
                progress.update(
                    stage.share, f"{stage.doing}, {in_words(left)} left" if stage.share < 1 else stage.doing
                )
    return result
