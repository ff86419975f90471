"""Presets: named settings. `paper` are the authors' own; the others were chosen by measurement (see README)."""

from __future__ import annotations

from dinr_studio.config import FieldConfig

PAPER_FIELDS: dict[str, FieldConfig] = {
    "dinr-ffnet": FieldConfig(
        family="dinr-ffnet",
        embedding="fourier",
        features=256,
        bandwidth=10.0,
        width=256,
        blocks=3,
        steps=12,
        zero_start=False,
    ),
    "dinr-siren": FieldConfig(
        family="dinr-siren",
        embedding="siren",
        omega_0=15.0,
        hidden_omega=15.0,
        width=192,
        blocks=3,
        steps=12,
        zero_start=False,
    ),
    "ffnet": FieldConfig(family="ffnet", embedding="fourier", features=256, bandwidth=10.0, width=256, blocks=5),
    "siren": FieldConfig(family="siren", embedding="siren", omega_0=30.0, hidden_omega=30.0, width=256, layers=7),
}
