"""The tiles of a field that one pane shows: which ones it asks for, and which ones it has."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from dinr_studio.sampling.plane import TILE_PIXELS, Plane, Tile, tiles_in
from dinr_studio.ui.evaluator import Answer, Evaluator, FieldState, Series, field_for

LOWEST_LEVEL, HIGHEST_LEVEL = -6, 14
COARSER = (5, 3, 2, 0)  # levels above the wanted one that are asked for, coarsest first
KEPT_TILES = 8000
MOST_WANTED = 6000
SHARPNESS = 0.25  # of a level: a tile's pixel may be 2^0.25 of the screen's

TileKey = tuple[int, Tile]  # version of the field, and where
Rectangle = tuple[tuple[float, float], tuple[float, float]]  # ranges of row and column index


@dataclass(frozen=True)
class ShownTile:
    """A tile with its values (rows, columns, channels), and whether they are of the present field."""

    tile: Tile
    values: NDArray[np.float32]
    version: int


class FieldTiles(QObject):
    """Asks an evaluator for what a view shows of a field, coarse to fine, and keeps what came."""

    changed = Signal()

    def __init__(self, name: str, evaluator: Evaluator, parent: QObject) -> None:
        super().__init__(parent)
        self._name, self._evaluator = name, evaluator
        self._evaluator.answered.connect(self._on_answered)
        self._tiles: OrderedDict[TileKey, ShownTile] = OrderedDict()
        self._state: FieldState | None = None
        self._oldest = 0  # version of the field's run: what is still under way of an older one is of another field
        self._wanted: list[Tile] = []
        self._base: frozenset[Tile] = frozenset()
        self._lacking: set[TileKey] = set()
        self.fault = ""
        self.level = self.wish = 0

    def set_field(self, state: FieldState | None) -> None:
        """Another field, or the same one further on; tiles of the old one stay visible until new ones come."""
        if state is None or self._state is None or state.run.run_id != self._state.run.run_id:
            self._tiles.clear()
            self._oldest = 0 if state is None else state.version
        self._state = state
        self.fault = ""
        if state is None:
            self.withdraw()
            self.changed.emit()

    @property
    def open_tiles(self) -> int:
        """Tiles of the present view that have not come yet."""
        return len(self._lacking)

    def want(
        self,
        plane: Plane,
        rectangle: Rectangle,
        pixels_per_voxel: float,
        *,
        finest: int = HIGHEST_LEVEL,
        seconds: float = math.inf,
    ) -> None:
        """Asks for a rectangle of a plane at the screen's resolution; drops what was asked for before.

        finest: the level beyond which nothing is asked for; 0 means the data's own voxels, all of which are needed.
        seconds: what the answers may take together, at the cost of resolution.
        """
        if self._state is None:
            return
        wish = math.ceil(math.log2(max(pixels_per_voxel, 1e-6)) - SHARPNESS)
        self.wish = self.level = int(np.clip(wish, LOWEST_LEVEL, finest))
        most = self._evaluator.rate * seconds / TILE_PIXELS**2
        while self.level > LOWEST_LEVEL and len(tiles_in(plane, self._state.run.grid, self.level, *rectangle)) > most:
            self.level -= 1
        wanted: list[Tile] = []
        covering: list[list[Tile]] = []
        for above in COARSER:
            level = max(LOWEST_LEVEL, self.level - above)
            tiles = tiles_in(plane, self._state.run.grid, level, *rectangle)
            if len(tiles) <= MOST_WANTED:
                wanted += [tile for tile in tiles if tile not in wanted]
                covering.append(tiles)
        self._wanted = wanted
        self._base = frozenset(covering[-1 if finest == 0 else len(covering) // 2] if covering else ())
        self._ask()

    def withdraw(self) -> None:
        """The view is hidden or shows something else: nothing is wanted."""
        self._wanted = []
        self._lacking.clear()
        self._evaluator.ask(self._name, [])

    def shown(self, plane: Plane) -> Iterator[ShownTile]:
        """The tiles of a plane in the order to draw them: coarse before fine.

        A field that has changed is drawn once it covers the view at a middling level; before that, the old one stays.
        """
        here = [shown for shown in self._tiles.values() if shown.tile.plane == plane]
        versions = sorted({shown.version for shown in here}, reverse=True)
        whole = next((v for v in versions if self._base and all((v, tile) in self._tiles for tile in self._base)), None)
        if whole is not None:
            here = [shown for shown in here if shown.version == whole]
        return iter(sorted(here, key=lambda shown: (shown.version, shown.tile.level)))

    def _ask(self) -> None:
        state = self._state
        if state is None:
            return
        self._evaluator.ask(self._name, [])  # none is begun while it is found out which are
        lacking = [(state.version, tile) for tile in self._wanted if (state.version, tile) not in self._tiles]
        self._lacking = set(lacking)
        coming = {key for keys in self._evaluator.under_way(self._name) for key in keys}
        asked = tuple(key for key in lacking if key not in coming)
        self._evaluator.ask(self._name, [Series(asked, _evaluation(state), TILE_PIXELS**2)] if asked else [])

    @Slot(object)
    def _on_answered(self, answer: Answer) -> None:
        if answer.asker != self._name or self._state is None:
            return
        if answer.fault:
            self.fault = answer.fault
        for (version, tile), values in zip(answer.key, answer.value or (), strict=False):
            if self._oldest <= version <= self._state.version:
                self._lacking.discard((version, tile))
                self._tiles[version, tile] = ShownTile(tile, values, version)
                self._forget_what_is_covered(version)
        self.changed.emit()

    def _forget_what_is_covered(self, version: int) -> None:
        while len(self._tiles) > KEPT_TILES:
            self._tiles.popitem(last=False)
        if self._state is not None and version == self._state.version and not self._lacking:
            for key in [key for key in self._tiles if key[0] < version]:
                del self._tiles[key]


def _evaluation(state: FieldState) -> Callable[[tuple[TileKey, ...]], list[NDArray[np.float32]]]:
    def evaluate(keys: tuple[TileKey, ...]) -> list[NDArray[np.float32]]:
        from dinr_studio.sampling.plane import evaluate_tiles

        found = evaluate_tiles(field_for(state), [tile for _, tile in keys])
        return [np.empty((0, 0, 1), dtype=np.float32) if values is None else values for values in found]

    return evaluate
