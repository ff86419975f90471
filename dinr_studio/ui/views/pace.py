"""How finely a volume may be drawn so that a frame takes no longer than it should on this machine."""

from __future__ import annotations

MOVING, TRAINING, RESTING = 0.030, 0.040, 0.400  # seconds that a frame may take
FINEST, COARSEST = 0.8, 8.0  # lengths of a ray's step, in voxels
FORGETFUL = 0.5


class Pace:
    """Learns from the frames drawn so far what a frame costs at a ray step of one voxel."""

    def __init__(self) -> None:
        self._cost: float | None = None

    def forget(self) -> None:
        """What is drawn has changed, and so may its cost."""
        self._cost = None

    def learn(self, step: float, seconds: float) -> None:
        """A frame with rays of this step took so long."""
        cost = seconds * step
        self._cost = cost if self._cost is None else FORGETFUL * self._cost + (1 - FORGETFUL) * cost

    def step(self, seconds: float) -> float:
        """The ray step with which a frame should take no longer than this; coarse while nothing is known."""
        if self._cost is None:
            return COARSEST / 2
        return min(COARSEST, max(FINEST, self._cost / seconds))
