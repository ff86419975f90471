"""What a fit takes, before it begins, and which smaller one would fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dinr_studio.analysis.held_out import expected_share
from dinr_studio.config import FitConfig
from dinr_studio.errors import DinrError
from dinr_studio.io.atomic import SPARE_BYTES, free_bytes
from dinr_studio.memory import available_bytes
from dinr_studio.needs import Needs
from dinr_studio.training.plan import Plan
from dinr_studio.volume import Volume

COPIES_IN_FILE = 5  # of the weights: best, present, last good, and two moments
BYTES_PER_HELD_OUT = 8
HISTORY_BYTES = 1 << 20
ROOMY = 0.8  # of what is free: what a smaller plan may take


def fit_needs(plan: Plan, volume: Volume, config: FitConfig, path: Path) -> Needs:
    """What a fit takes beside the volume that is open; path: its run file, of which an old one stays until the end."""
    held_out = expected_share(volume.grid, config.training.held_out_scheme, config.training.held_out_share)
    listed = 0 if volume.is_stored else round(held_out * volume.count)  # a rule tells those of a streamed fit
    file = 4 * COPIES_IN_FILE * plan.parameters + BYTES_PER_HELD_OUT * listed + HISTORY_BYTES
    try:
        room = max(0, free_bytes(path) - SPARE_BYTES)
    except DinrError:  # a folder that is not there is told by whoever writes
        room = None
    needs = Needs("The fit", plan.step_bytes + plan.data_bytes, available_bytes(), 2 * file, room, plan.seconds)
    return _with_smaller(needs, plan, volume) if needs.memory_short else needs


def _with_smaller(needs: Needs, plan: Plan, volume: Volume) -> Needs:
    """The needs with what would fit: smaller micro-batches where these take too much, else a part of the data."""
    room = ROOMY * needs.memory_free - plan.data_bytes
    fitting = int(plan.micro_batch * room / plan.step_bytes) if plan.step_bytes else 0
    if fitting >= 1:
        offer = f"micro-batches of {fitting} voxels would do (--set micro_batch={fitting})"
        return replace(needs, smaller=(offer,), micro_batch=fitting)
    share = ROOMY * needs.memory_free / needs.memory
    grid = volume.grid
    edge = share ** (1 / len(grid.spatial))
    shape = [max(2, int(n * edge)) if i in grid.spatial else n for i, n in enumerate(grid.shape)]
    return replace(needs, smaller=(f"a crop of {' x '.join(map(str, shape))} voxels would do",))
