"""Static twins have as many parameters as their dynamic fields."""

import pytest

from dinr_studio.config import FieldConfig
from dinr_studio.fields.build import parameter_count
from dinr_studio.fields.equal import static_twin


@pytest.mark.parametrize("family", ["dinr-siren", "dinr-ffnet"])
@pytest.mark.parametrize("width", [16, 64, 192])
@pytest.mark.parametrize("embedding", ["siren", "fourier"])
def test_the_static_twin_has_as_many_parameters_within_two_percent(family, width, embedding):
    config = FieldConfig(family=family, embedding=embedding, width=width, features=64)
    twin = static_twin(config, 3, 1)
    assert twin.family == family.removeprefix("dinr-")
    assert (twin.embedding, twin.omega_0, twin.bandwidth) == (embedding, config.omega_0, config.bandwidth)
    assert parameter_count(twin, 3, 1) == pytest.approx(parameter_count(config, 3, 1), rel=0.02)


def test_a_static_field_is_its_own_twin():
    config = FieldConfig(family="siren")
    assert static_twin(config, 2, 1) is config
