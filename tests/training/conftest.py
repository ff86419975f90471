"""Small fits that take a second."""

import pytest

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig, changed

FIELD = FieldConfig(family="dinr-siren", width=16, blocks=1, steps=2, omega_0=10.0)
TRAINING = TrainingConfig(max_epochs=4, batch=128, micro_batch=64, held_out_share=0.05, device="cpu", seed=7)


@pytest.fixture(scope="session")
def make_config():
    """Makes the settings of a small fit; keywords change settings of the field or of the training by name."""

    def make(**changes):
        field = {name: value for name, value in changes.items() if name in FieldConfig.model_fields}
        training = {name: value for name, value in changes.items() if name not in field}
        return FitConfig(preset="test", field=changed(FIELD, **field), training=changed(TRAINING, **training))

    return make
