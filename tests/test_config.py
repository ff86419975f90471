"""Settings: frozen, checked, and refused in one sentence that names the setting."""

import pytest
from pydantic import ValidationError

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig, changed, config_from_json, with_changes
from dinr_studio.errors import ConfigError


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        (FieldConfig, {"width": 0}, ("width", "0")),
        (FieldConfig, {"family": "mlp"}, ("family", "dinr-siren")),
        (FieldConfig, {"integrator": "leapfrog"}, ("integrator", "euler")),
        (FieldConfig, {"embedding": "fourier", "features": 7}, ("even", "7")),
        (FieldConfig, {"omega_0": float("nan")}, ("omega_0", "nan")),
        (TrainingConfig, {"held_out_share": 1.5}, ("held_out_share", "0.95")),
        (TrainingConfig, {"learning_rate": -1}, ("learning_rate", "greater than 0")),
        (TrainingConfig, {"device": "tpu"}, ("device", "tpu")),
        (TrainingConfig, {"held_out_share": 0, "patience": 3}, ("held-out", "above 0")),
        (TrainingConfig, {"learning_speed": 1}, ("learning_speed",)),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_found(kind, changes, words):
    with pytest.raises(ConfigError) as caught:
        changed(kind(), **changes)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(ValidationError, match="frozen"):
        FieldConfig().width = 3


def test_settings_survive_the_way_through_json():
    config = FitConfig(field=FieldConfig(omega_0=12.5), training=TrainingConfig(time_limit=3), reasons=("because",))
    assert config_from_json(config.model_dump_json()) == config


def test_stored_settings_that_this_version_does_not_know_are_refused():
    with pytest.raises(ConfigError, match="telepathy"):
        config_from_json('{"telepathy": true}')


def test_early_stopping_of_a_preset_goes_with_the_held_out_voxels():
    config = FitConfig(training=TrainingConfig(patience=20))
    assert with_changes(config, {"held_out_share": 0}).training.patience == 0
    with pytest.raises(ConfigError, match="needs held-out voxels"):
        with_changes(config, {"held_out_share": 0, "patience": 5})
