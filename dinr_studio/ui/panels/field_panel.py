"""The field panel: what will be fitted, and below it the plan of what that costs, before Fit is pressed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QComboBox, QFormLayout, QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

from dinr_studio.config import FAMILIES, PROBE, FitConfig, with_changes
from dinr_studio.errors import ConfigError, MemoryShort
from dinr_studio.needs import Needs
from dinr_studio.ui.background import spare_threads
from dinr_studio.ui.edits import SettingsEdit
from dinr_studio.ui.evaluator import Answer, Question
from dinr_studio.ui.panels.parts import heading, scrolling
from dinr_studio.ui.panels.settings_form import FIELDS, SettingsForm, setting
from dinr_studio.ui.runs import new_run_path
from dinr_studio.ui.studio import Studio
from dinr_studio.volume import Volume
from dinr_studio.words import bytes_in_words, seconds_in_words

PRESET_TIPS = {
    "auto": "Derived from the grid, the data's power spectrum and the device: the one to begin with",
    "quick": "A sound first picture within a minute",
    "balanced": "Finer detail in some minutes",
    "paper": "The authors' settings; takes hours without a GPU",
    "paper-tuned": "The authors' networks, trained our way",
}
FAMILY_TIPS = {
    "dinr-siren": "Sine layers with dynamics: the one to begin with",
    "dinr-ffnet": "Fourier features and GELU layers with dynamics: the paper's own",
    "siren": "Sine layers without dynamics, to compare with",
    "ffnet": "Fourier features without dynamics, to compare with",
    PROBE: "Preset auto: trains dinr-siren, siren and siren with a hash grid for some seconds each, takes the best",
}
COMMON = (
    "embedding", "omega_0", "bandwidth", "octaves", "finest_resolution",
    "width", "steps", "horizon", "integrator", "kinetic_weight",
    "held_out_share", "max_epochs", "time_limit", "device", "precision",
)  # fmt: skip
PLAN_DELAY = 400  # milliseconds without a change before the plan is measured
ASKER_SETTINGS, ASKER_PLAN = "settings", "plan"


class FieldPanel(QWidget):
    """Settings of the next fit. config is None until the preset has been worked out for the open volume."""

    config_changed = Signal()

    def __init__(self, studio: Studio, undo: QUndoStack, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.studio, self.undo = studio, undo
        self.config: FitConfig | None = None
        self.needs: Needs | None = None  # of the fit, once its plan is measured
        self._base: FitConfig | None = None
        self._base_key: tuple[Any, ...] = ()
        self._chosen: dict[str, Any] = {"preset": "auto", "family": "dinr-siren", "changes": {}}
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addLayout(self._make_choices())
        self.common = SettingsForm(COMMON)
        self.more = SettingsForm(tuple(name for name in FIELDS if name not in (*COMMON, "family")))
        self.more_button = QPushButton("All settings")
        self.more_button.setCheckable(True)
        self.more_button.setToolTip("Show every setting of the field and its training")
        self.more_button.toggled.connect(self.more.setVisible)
        self.more.hide()
        for form in (self.common, self.more):
            form.edited.connect(self._on_edited)
        self.reasons = QLabel()
        self.reasons.setWordWrap(True)
        self.reasons.setProperty("role", "quiet")
        for widget in (self.common, self.more_button, self.more, heading("Why these settings"), self.reasons):
            layout.addWidget(widget)
        layout.addStretch(1)
        whole = QVBoxLayout(self)  # the plan stays in view whatever is scrolled above it
        whole.setContentsMargins(0, 0, 0, 6)
        whole.addWidget(scrolling(inside), 1)
        below = QVBoxLayout()
        below.setContentsMargins(8, 0, 8, 0)
        below.addWidget(heading("The plan"))
        below.addWidget(self._make_plan())
        whole.addLayout(below)
        self._plan_due = QTimer(self, singleShot=True, interval=PLAN_DELAY)
        self._plan_due.timeout.connect(self._ask_for_plan)
        studio.volume_opened.connect(self._on_volume)
        studio.box_changed.connect(self._on_volume)
        studio.analyses.answered.connect(self._on_answered)
        studio.fit.state_changed.connect(self._on_fit_state)
        self.setEnabled(False)

    def _make_choices(self) -> QFormLayout:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.preset, self.family = QComboBox(), QComboBox()
        for box, name, tips in (
            (self.preset, "Preset", PRESET_TIPS),
            (self.family, "Family", FAMILY_TIPS),
        ):
            box.setAccessibleName(name)
            for i, (choice, tip) in enumerate(tips.items()):
                box.addItem(choice)
                box.setItemData(i, tip, Qt.ItemDataRole.ToolTipRole)
            box.activated.connect(self._on_chosen)
            form.addRow(name, box)
        self.preset.setToolTip("A whole set of settings; changing it forgets changes made by hand")
        self.family.setToolTip("The kind of network; dinr-* have dynamics, the others are the static baselines")
        assert tuple(FAMILY_TIPS) == (*FAMILIES, PROBE)
        return form

    def _make_plan(self) -> QFrame:
        frame = QFrame()
        frame.setProperty("role", "notice")
        inside = QVBoxLayout(frame)
        inside.setContentsMargins(8, 6, 8, 6)
        self.plan = QLabel("Open a volume first.")
        self.plan.setWordWrap(True)
        self.plan.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.offer = QPushButton()
        self.offer.hide()
        self.offer.clicked.connect(self._on_offer_taken)
        inside.addWidget(self.plan)
        inside.addWidget(self.offer)
        self._offered: int | None = None
        return frame

    # Choosing

    def apply(self, chosen: Mapping[str, Any]) -> None:
        """Takes over preset, family and changes by hand; the settings follow when they are worked out."""
        self._chosen = {**chosen, "changes": dict(chosen["changes"])}
        for box, name in ((self.preset, "preset"), (self.family, "family")):
            with QSignalBlocker(box):
                box.setCurrentText(self._chosen[name])
        self._derive()

    def change(self, **changes: Any) -> None:
        """Changes settings by name, as an edit that can be undone."""
        self._push({**self._chosen, "changes": {**self._chosen["changes"], **changes}})

    def choose_preset(self, preset: str) -> None:
        """Takes over a preset, as an edit that can be undone."""
        if preset != self._chosen["preset"]:
            family = "dinr-ffnet" if preset == "paper" else "dinr-siren"
            self._push({"preset": preset, "family": family, "changes": {}})

    def chosen(self) -> dict[str, Any]:
        """Preset, family and changes by hand, to be restored another time."""
        return dict(self._chosen)

    @property
    def usual(self) -> FitConfig | None:
        """What the shell's `fit` would have of itself where it is told only settings that differ; None: tell all.

        A held-out share that was named, though it is the preset's own, changes what the preset derives.
        """
        base, share = self._base, self._chosen["changes"].get("held_out_share")
        return None if base is None or share == base.training.held_out_share else base

    def _push(self, chosen: Mapping[str, Any]) -> None:
        self.undo.push(SettingsEdit(self.apply, self._chosen, chosen))

    def _derive(self) -> None:
        """Works out the preset for the open volume, in the background."""
        volume = self.studio.fitted_volume
        if volume is None:
            return
        key = self._key()
        if self._base is not None and self._base_key == key:
            self._show_config()
            return
        question = Question(key, lambda: _preset(volume, *key[2:]))
        self.plan.setText("Working out the settings …")
        self.studio.analyses.ask(ASKER_SETTINGS, [question])

    def _key(self) -> tuple[Any, ...]:
        """What the preset's settings depend on: volume, its part, preset, family, device, share held out, embedding."""
        chosen, changes = self._chosen, self._chosen["changes"]
        settings = chosen["preset"], chosen["family"], changes.get("device", "auto"), changes.get("held_out_share")
        return (id(self.studio.volume), self.studio.box, *settings, changes.get("embedding"))

    def _ask_for_plan(self) -> None:
        volume, config = self.studio.fitted_volume, self.config
        if volume is None or config is None or self.studio.fit.running:
            return
        self.plan.setText("Measuring a few steps on this device …")
        self.needs = None
        path = new_run_path(self.studio.file)
        self.studio.analyses.ask(ASKER_PLAN, [Question(config, lambda: _plan(volume, config, path))])

    # Following

    @Slot()
    def _on_volume(self) -> None:
        self.config = self._base = self.needs = None
        self.setEnabled(self.studio.volume is not None)
        if self.studio.volume is None:
            self.plan.setText("Open a volume first.")
            self.reasons.setText("")
        self.config_changed.emit()
        self._derive()

    @Slot()
    def _on_fit_state(self) -> None:
        running = self.studio.fit.running
        for widget in (self.preset, self.family, self.common, self.more):
            widget.setEnabled(not running)
        if not running and self.config is not None:
            self._plan_due.start()

    @Slot(object)
    def _on_answered(self, answer: Answer) -> None:
        if answer.asker == ASKER_SETTINGS:
            if answer.fault:
                self.plan.setText(answer.fault)
                return
            if answer.key == self._key():
                self._base, self._base_key = answer.value, answer.key
                self._show_config()
        elif answer.asker == ASKER_PLAN and answer.key == self.config:
            self._show_plan(answer)

    def _show_config(self) -> None:
        assert self._base is not None
        self.needs = None
        try:
            self.config = with_changes(self._base, self._chosen["changes"])
        except ConfigError as error:
            self.plan.setText(str(error))
            return
        for form in (self.common, self.more):
            form.show_config(self.config)
        self.reasons.setText("\n".join(f"• {reason}" for reason in self.config.reasons) or "As the preset has them.")
        self.config_changed.emit()
        self._plan_due.start()

    def _show_plan(self, answer: Answer) -> None:
        self._offered, self.needs = None, None
        if answer.fault:
            self.plan.setText(answer.fault)
        elif isinstance(answer.value, MemoryShort):
            self.plan.setText(str(answer.value))
            self._offered = answer.value.micro_batch
        else:
            plan, self.needs = answer.value
            self._offered = self.needs.micro_batch
            self.plan.setText(
                f"{plan.parameters:,} parameters\n"
                f"about {seconds_in_words(plan.seconds)} of training"
                f" ({seconds_in_words(plan.seconds_per_epoch)} an epoch)\n"
                f"{plan.coordinates_per_second:,.0f} coordinates/s on {plan.device}\n"
                f"at most {bytes_in_words(plan.peak_memory_bytes)} of memory"
                f" ({bytes_in_words(self.needs.memory_free)} more are free)"
                + (f"\n{self.needs.fault}" if self.needs.fault else "")
            )
        self.offer.setVisible(self._offered is not None)
        if self._offered is not None:
            self.offer.setText(f"Use micro-batches of {self._offered} voxels")

    # The user's doings

    @Slot()
    def _on_chosen(self) -> None:
        preset, family = self.preset.currentText(), self.family.currentText()
        if family == PROBE != self._chosen["family"]:
            self._push({"preset": "auto", "family": family, "changes": {}})
        elif preset != self._chosen["preset"]:
            self.choose_preset(preset)
        elif family != self._chosen["family"]:
            self._push({"preset": preset, "family": family, "changes": {}})

    @Slot(str, object)
    def _on_edited(self, name: str, value: object) -> None:
        if self.config is not None and setting(self.config, name) != value:
            self.change(**{name: value})

    @Slot()
    def _on_offer_taken(self) -> None:
        if self._offered is not None:
            self.change(micro_batch=self._offered)


def _preset(
    volume: Volume, preset: str, family: str, device: str, held_out_share: float | None, embedding: str | None
) -> FitConfig:
    from dinr_studio.training.presets import preset_config

    return preset_config(preset, volume, family, device, held_out_share, embedding)


def _plan(volume: Volume, config: FitConfig, path: Path) -> Any:
    """The plan, measured with as many threads as the fit will have, and its needs; or MemoryShort itself.

    path: where its run file would lie.
    """
    import torch

    from dinr_studio.training.plan import make_plan
    from dinr_studio.training.preflight import fit_needs

    before = torch.get_num_threads()
    torch.set_num_threads(spare_threads())
    try:
        plan = make_plan(volume, config)
        return plan, fit_needs(plan, volume, config, path)
    except MemoryShort as short:
        return short
    finally:
        torch.set_num_threads(before)
