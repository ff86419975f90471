"""Where the 3D view's blocks come from: asked for coarse to fine in the background, as fine as the machine allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from dinr_studio.channels import Component
from dinr_studio.coordinates import Grid
from dinr_studio.sampling.block import Block, block_grid, data_block, field_slab, slabs_of, spatial_grid
from dinr_studio.ui.evaluator import Answer, FieldState, Question, field_for
from dinr_studio.ui.studio import Studio
from dinr_studio.volume import Volume

EDGES = (24, 48, 64, 96, 128, 160, 192, 256)  # voxels along the longest axis
DATA_EDGE = 192
SLAB = 8192  # voxels of one question: slices need not wait longer than for that
SECONDS_TRAINING, SECONDS_RESTING = 0.4, 15.0  # that the finest block may take


@dataclass
class _Making:
    """A block of the field that is being put together."""

    grid: Grid
    values: NDArray[np.float32]
    lacking: int


class VolumeSource(QObject):
    """data_ready and field_ready carry whole blocks; open_slabs says how much of the field is still to come."""

    data_ready = Signal(object)
    field_ready = Signal(object)
    progressed = Signal()

    def __init__(self, studio: Studio, parent: QObject) -> None:
        super().__init__(parent)
        self.studio = studio
        self.open_slabs = 0
        self._making: dict[tuple[object, ...], _Making] = {}
        self._asked_data: tuple[object, ...] = ()
        self._volume: Volume | None = None
        self._asked_field: tuple[object, ...] = ()
        studio.pictures.answered.connect(self._on_answered)

    def forget(self) -> None:
        """Another volume: nothing that was asked for is wanted."""
        self._asked_data = self._asked_field = ()
        self._making.clear()
        self.withdraw_field()
        self.studio.pictures.ask("volume data", [])

    def want_data(self, frame: int) -> None:
        """Asks for the data, unless it is there already."""
        volume, channel = self.studio.volume, self.studio.channel
        key = (frame, channel)
        if volume is None or (self._volume is volume and self._asked_data == key):
            return
        self._volume, self._asked_data = volume, key
        self.studio.pictures.ask("volume data", [Question(key, lambda: data_block(volume, frame, channel, DATA_EDGE))])

    def want_field(self, frame: float) -> None:
        """Asks for the field, first coarsely where nothing of it is there, then as finely as time allows."""
        state, channel = self.studio.field, self.studio.channel
        if state is None:
            self.withdraw_field()
            return
        key = (state.version, frame, channel)
        if key == self._asked_field:
            return
        fresh = not self._asked_field or self._asked_field[1:] != key[1:]
        self._asked_field = key
        self._making.clear()
        grids = [block_grid(state.run.grid, frame, edge) for edge in self._edges(state, fresh=fresh)]
        questions: list[Question] = []
        for grid in grids:
            slabs = slabs_of(grid, SLAB)
            making = (*key, grid.shape)
            self._making[making] = _Making(grid, np.empty(spatial_grid(grid).shape, np.float32), len(slabs))
            plane = grid.size // max(1, spatial_grid(grid).shape[0])
            questions += [
                Question((making, planes), _evaluation(state, grid, planes, channel), plane * (planes[1] - planes[0]))
                for planes in slabs
            ]
        self.open_slabs = len(questions)
        self.studio.pictures.ask("volume field", questions)
        self.progressed.emit()

    def withdraw_field(self) -> None:
        """The field is not wanted, or there is none."""
        self._asked_field, self.open_slabs = (), 0
        self._making.clear()
        self.studio.pictures.ask("volume field", [])
        self.progressed.emit()

    def _edges(self, state: FieldState, *, fresh: bool) -> list[int]:
        """The finest edge that the time allows (no finer than the data), after a coarse one where nothing is there."""
        grid = state.run.grid
        longest = max(grid.shape[i] for i in grid.spatial)
        training = self.studio.fit.running and not self.studio.fit.paused
        most = self.studio.pictures.rate * (SECONDS_TRAINING if training else SECONDS_RESTING)
        allowed = [edge for edge in (*(e for e in EDGES if e < longest), min(longest, EDGES[-1]))]
        affordable = [edge for edge in allowed if spatial_grid(block_grid(grid, 0.0, edge)).size <= most]
        finest = affordable[-1] if affordable else allowed[0]
        return [allowed[0], finest] if fresh and finest != allowed[0] else [finest]

    @Slot(object)
    def _on_answered(self, answer: Answer) -> None:
        if answer.asker == "volume data" and answer.key == self._asked_data and answer.value is not None:
            self.data_ready.emit(answer.value)
        elif answer.asker == "volume field":
            self._take(answer)

    def _take(self, answer: Answer) -> None:
        key, (first, last) = answer.key
        making = self._making.get(key)
        if making is None:
            return
        self.open_slabs = max(0, self.open_slabs - 1)
        if answer.value is None:  # a fault is told by the slices, which ask for the same field
            del self._making[key]
        else:
            making.values[first:last] = answer.value
            making.lacking -= 1
            if making.lacking == 0:
                del self._making[key]
                making.values.flags.writeable = False
                self.field_ready.emit(Block(making.values, spatial_grid(making.grid)))
        self.progressed.emit()


def _evaluation(state: FieldState, grid: Grid, planes: tuple[int, int], channel: Component) -> Callable[[], Any]:
    return lambda: field_slab(field_for(state), grid, planes, channel)
