import pytest
import torch

from dinr_studio.config import FieldConfig
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.sweeps.equal import counted_evaluations, evaluations_per_pass, with_evaluations
from dinr_studio.fields.build import build_field


@pytest.mark.parametrize(("integrator", "steps"), [("euler", 8), ("midpoint", 4), ("rk4", 2)])
def test_equal_evaluations_are_what_passes_through_the_vector_field(integrator, steps):
    config = with_evaluations(FieldConfig(width=8, blocks=1, integrator=integrator, steps=3), 8)
    assert config.steps == steps
    assert evaluations_per_pass(config) == 8
    field = build_field(config, 2, 1, seed=0)
    with counted_evaluations() as counter:
        field.predict(torch.zeros(5, 2))
        with torch.inference_mode():
            field.predict(torch.zeros(100, 2))  # a look, which does not count
    assert counter.total == 8 * 5
    field.predict(torch.zeros(5, 2))
    assert counter.total == 8 * 5


def test_an_adaptive_integrator_is_counted_and_not_set():
    config = FieldConfig(width=8, blocks=1, integrator="dopri5", zero_start=False)
    assert with_evaluations(config, 8) == config
    assert evaluations_per_pass(config) is None
    field = build_field(config, 2, 1, seed=0)
    with counted_evaluations() as counter:
        field.predict(torch.rand(5, 2))
    assert counter.total >= 5 * 7
    assert counter.total % 5 == 0


def test_evaluations_that_make_no_whole_steps_or_meet_no_vector_field_are_refused():
    with pytest.raises(ConfigError, match="rk4 evaluates the vector field 4 times a step, so 6 evaluations"):
        with_evaluations(FieldConfig(integrator="rk4"), 6)
    with pytest.raises(ConfigError, match="The static family siren has no vector field"):
        with_evaluations(FieldConfig(family="siren"), 4)
    assert evaluations_per_pass(FieldConfig(family="siren")) == 0
