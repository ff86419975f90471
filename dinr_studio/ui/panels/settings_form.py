"""A form of a fit's settings, made from the settings themselves: name, control, tooltip, and the fault as one types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QLineEdit, QWidget

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig, with_changes, without_effect
from dinr_studio.errors import ConfigError

LABELS = {
    "family": "Family",
    "embedding": "Embedding",
    "width": "Width",
    "blocks": "Blocks",
    "layers": "Layers (static)",
    "steps": "Steps N",
    "horizon": "Horizon T",
    "integrator": "Integrator",
    "tolerance": "Tolerance",
    "features": "Fourier features",
    "bandwidth": "Bandwidth",
    "omega_0": "omega_0",
    "sigma_0": "sigma_0",
    "octaves": "Octaves",
    "finest_resolution": "Finest cells",
    "coarsest_resolution": "Coarsest cells",
    "levels": "Levels",
    "features_per_level": "Features a level",
    "table_size": "Table size (2^)",
    "interpolation": "Interpolation",
    "hidden_omega": "Hidden omega",
    "zero_start": "Zero start",
    "dropout": "Dropout",
    "max_epochs": "Epochs at most",
    "time_limit": "Time limit (s)",
    "goal_psnr": "Goal (dB held-out)",
    "patience": "Patience (looks)",
    "batch": "Batch (voxels)",
    "micro_batch": "Micro-batch (voxels)",
    "optimiser": "Optimiser",
    "growing_steps": "Growing steps",
    "learning_rate": "Learning rate",
    "weight_decay": "Weight decay",
    "schedule": "Schedule",
    "warm_up": "Warm-up share",
    "gradient_clip": "Gradient clip",
    "kinetic_weight": "Kinetic weight",
    "kinetic_scale": "Kinetic scale",
    "normalisation": "Values scaled by",
    "outliers": "Hot pixels",
    "scaling": "Coordinates",
    "held_out_share": "Held-out share",
    "held_out_scheme": "Held-out scheme",
    "held_out_seed": "Held-out seed",
    "device": "Device",
    "precision": "Precision",
    "seed": "Seed",
}
CHOICE_TIPS = {
    "fourier": "Sines and cosines of random frequencies: the paper's own",
    "siren": "One layer of sines, trained with the rest",
    "positional": "Sines and cosines of frequencies that double (NeRF)",
    "hashgrid": "Features on grids from coarse to fine, the finest shared by a hash: quick, for detail anywhere",
    "wire": "Wavelets: waves under Gaussians, for detail in few places",
}
FIELDS = {**FieldConfig.model_fields, **TrainingConfig.model_fields}
EMPTY = "none"
COUNTS = FIELDS["finest_resolution"].annotation


class SettingsForm(QWidget):
    """Controls for some settings; `edited` carries the name and the new value of one that is allowed."""

    edited = Signal(str, object)

    def __init__(self, names: tuple[str, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._config: FitConfig | None = None
        self.controls: dict[str, QWidget] = {}
        self._form = form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        for name in names:
            control = self._control(name)
            control.setToolTip(f"{FIELDS[name].description}")
            control.setAccessibleName(LABELS[name])
            self.controls[name] = control
            label = QLabel(LABELS[name])
            label.setToolTip(f"{FIELDS[name].description}")
            label.setBuddy(control)
            form.addRow(label, control)
        self.fault = QLabel()
        self.fault.setWordWrap(True)
        self.fault.setProperty("role", "fault")
        self.fault.hide()
        form.addRow(self.fault)

    def _control(self, name: str) -> QWidget:
        kind = FIELDS[name].annotation
        if kind is bool:
            check = QCheckBox()
            check.toggled.connect(lambda value, name=name: self._offer(name, value))
            return check
        if get_origin(kind) is Literal:
            box = QComboBox()
            for i, choice in enumerate(get_args(kind)):
                box.addItem(str(choice))
                box.setItemData(i, CHOICE_TIPS.get(choice), Qt.ItemDataRole.ToolTipRole)
            box.setMinimumContentsLength(6)
            box.currentTextChanged.connect(lambda value, name=name: self._offer(name, value))
            return box
        edit = QLineEdit()
        edit.textEdited.connect(lambda text, name=name: self._offer(name, typed(name, text)))
        return edit

    def show_config(self, config: FitConfig) -> None:
        """Fills in all controls but one that is being typed into with the same value; shows those that count."""
        self._config = config
        idle = without_effect(config.field)
        for name, control in self.controls.items():
            self._form.setRowVisible(control, name not in idle)
            value = setting(config, name)
            with QSignalBlocker(control):
                if isinstance(control, QCheckBox):
                    control.setChecked(bool(value))
                elif isinstance(control, QComboBox):
                    control.setCurrentText(str(value))
                elif isinstance(control, QLineEdit) and (
                    not control.hasFocus() or typed(name, control.text()) != value
                ):
                    control.setText(as_typed(value))
            self._mark(control, wrong=False)
        self.fault.hide()

    def _offer(self, name: str, value: object) -> None:
        """Checks a value as typed, and passes it on where it is allowed."""
        if self._config is None:
            return
        try:
            with_changes(self._config, {name: value})
        except ConfigError as error:
            self.fault.setText(str(error))
            self.fault.show()
            self._mark(self.controls[name], wrong=True)
            return
        self.fault.hide()
        self._mark(self.controls[name], wrong=False)
        self.edited.emit(name, value)

    def _mark(self, control: QWidget, *, wrong: bool) -> None:
        if bool(control.property("wrong")) != wrong:
            control.setProperty("wrong", wrong)
            control.style().unpolish(control)
            control.style().polish(control)


def setting(config: FitConfig, name: str) -> Any:
    """The value of a setting by name."""
    return getattr(config.field if name in FieldConfig.model_fields else config.training, name)


def parsed(text: str) -> object:
    """What was typed as a value: nothing, a whole number, a number, or the text itself."""
    text = text.strip().replace(",", ".")
    if text.lower() in ("", EMPTY):
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def typed(name: str, text: str) -> object:
    """What was typed as a setting's value: as `parsed`, or whole numbers, one for all axes or one for each."""
    if FIELDS[name].annotation is not COUNTS:
        return parsed(text)
    counts = text.replace(",", " ").replace("x", " ").replace("×", " ").split()
    return tuple(int(one) if one.isdecimal() else one for one in counts)


def as_typed(value: Any) -> str:
    """A value as one would type it."""
    if isinstance(value, tuple):
        return " × ".join(str(one) for one in value)
    return EMPTY if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def differing(config: FitConfig, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those changes that are any."""
    return {name: value for name, value in changes.items() if setting(config, name) != value}
