"""The probe: families are tried on the data itself, and dynamics kept unless clearly beaten."""

import pytest

from dinr_studio.config import PROBE
from dinr_studio.errors import ConfigError
from dinr_studio.training import presets
from dinr_studio.training.presets import PROBED, preset_config
from dinr_studio.training.probe import probe


def test_a_probe_scores_what_learns_above_what_cannot(make_smooth_volume, make_config):
    configs = {"able": make_config(learning_rate=3e-3), "unable": make_config(learning_rate=1e-12)}
    scores = probe(make_smooth_volume((10, 11, 12)), configs, seconds=0.5)
    assert scores["able"] > scores["unable"] + 5


def test_a_probe_of_what_diverges_says_so_and_goes_on(make_smooth_volume, make_config):
    wild = make_config(learning_rate=1.0, gradient_clip=None, omega_0=1e4, hidden_omega=1e3, steps=50, zero_start=False)
    scores = probe(make_smooth_volume((10, 11, 12)), {"wild": wild, "tame": make_config()}, seconds=0.5)
    assert scores["wild"] < scores["tame"]


def test_without_held_out_voxels_there_is_nothing_to_compare(make_smooth_volume, make_config):
    assert probe(make_smooth_volume((6, 6, 6)), {"one": make_config(held_out_share=0)}, seconds=0.1) == {}


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ((30.0, 32.0, 31.0), "siren"),
        ((30.0, 30.2, 30.2), "dinr-siren"),
        ((30.0, 32.0, 35.0), "siren with a hash grid"),
        ((float("-inf"), 20.0, float("-inf")), "siren"),
        ((), "dinr-siren"),
    ],
)
def test_auto_by_probe_takes_a_static_field_only_where_it_is_clearly_better(
    make_smooth_volume, monkeypatch, scores, chosen
):
    monkeypatch.setattr(presets, "probe", lambda volume, configs: dict(zip(configs, scores, strict=False)))
    config = preset_config("auto", make_smooth_volume((12, 12, 12)), PROBE)
    family, embedding = PROBED[chosen]
    assert (config.field.family, config.field.embedding) == (family, embedding or "siren")
    assert (config.preset, config.training.device) == ("auto", "auto")
    if scores:
        assert f"{chosen} by a probe" in config.reasons[0]
        assert f"{scores[1]:.1f} dB for siren" in config.reasons[0]


@pytest.mark.parametrize("share", [None, 0.0, 0.75])
def test_a_probe_holds_out_what_the_fit_will(make_smooth_volume, monkeypatch, share):
    tried = []
    monkeypatch.setattr(presets, "probe", lambda volume, configs: tried.extend(configs.values()) or {})
    preset_config("auto", make_smooth_volume((12, 12, 12), noise=1.0), PROBE, held_out_share=share)
    assert [config.training.held_out_share for config in tried] == [0.05 if share is None else share] * len(PROBED)


def test_a_probe_goes_with_auto_only(make_smooth_volume):
    with pytest.raises(ConfigError, match="goes with preset auto"):
        preset_config("quick", make_smooth_volume((6, 6, 6)), PROBE)
