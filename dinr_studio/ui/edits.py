"""What a user can undo: contrast, voxel size, mask, the part to fit, and settings of a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtGui import QUndoCommand

from dinr_studio.ui.looking import Box
from dinr_studio.ui.opening import Masked
from dinr_studio.ui.studio import Studio

MASK_EDIT = "mask"


class LimitsEdit(QUndoCommand):
    """Other contrast limits; before are those to go back to, where a drag has moved them already."""

    def __init__(self, studio: Studio, limits: tuple[float, float], before: tuple[float, float] | None = None) -> None:
        super().__init__("contrast")
        self._studio, self._limits, self._before = studio, limits, before or studio.limits

    def redo(self) -> None:
        """Does it."""
        self._studio.set_limits(*self._limits)

    def undo(self) -> None:
        """Takes it back."""
        self._studio.set_limits(*self._before)


class VoxelSizeEdit(QUndoCommand):
    """Another voxel size or unit."""

    def __init__(self, studio: Studio, voxel_size: tuple[float, ...], unit: str) -> None:
        super().__init__("voxel size")
        assert studio.volume is not None
        self._studio, self._after = studio, (voxel_size, unit)
        grid = studio.volume.grid
        self._before = (grid.voxel_size, next((grid.units[i] for i in grid.spatial), ""))

    def redo(self) -> None:
        """Does it."""
        self._studio.set_voxel_size(*self._after)

    def undo(self) -> None:
        """Takes it back."""
        self._studio.set_voxel_size(*self._before)


class MaskEdit(QUndoCommand):
    """Another mask, or none."""

    def __init__(self, studio: Studio, masked: Masked) -> None:
        super().__init__(MASK_EDIT)
        assert studio.masked is not None
        self._studio, self._after, self._before = studio, masked, studio.masked

    def redo(self) -> None:
        """Does it."""
        self._studio.show_masked(self._after)

    def undo(self) -> None:
        """Takes it back."""
        self._studio.show_masked(self._before)


class BoxEdit(QUndoCommand):
    """Another part to fit and export."""

    def __init__(self, studio: Studio, box: Box | None) -> None:
        super().__init__("part to fit")
        self._studio, self._after, self._before = studio, box, studio.box

    def redo(self) -> None:
        """Does it."""
        self._studio.set_box(self._after)

    def undo(self) -> None:
        """Takes it back."""
        self._studio.set_box(self._before)


class SettingsEdit(QUndoCommand):
    """Other settings of the fit to come: preset, family and what was changed by hand."""

    def __init__(
        self, apply: Callable[[Mapping[str, Any]], None], before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> None:
        super().__init__("settings")
        self._apply, self._before, self._after = apply, dict(before), dict(after)

    def redo(self) -> None:
        """Does it."""
        self._apply(self._after)

    def undo(self) -> None:
        """Takes it back."""
        self._apply(self._before)
