"""Channels: labels, units, and the one number that is made of several."""

import numpy as np
import pytest

from dinr_studio.channels import are_colours, component, have_magnitude, labelled, name_and_unit, unit_of, units_differ


def test_a_common_unit_is_that_of_all_and_others_stand_in_the_names():
    assert labelled(("u", "v"), ("m/s", "m/s")) == (("u", "v"), "m/s")
    assert labelled(("u", "T"), ("m/s", "K")) == (("u [m/s]", "T [K]"), "")
    assert labelled(("u", "share"), ("m/s", "")) == (("u [m/s]", "share"), "")


def test_the_unit_of_a_channel_is_found_again():
    names, unit = labelled(("u", "T"), ("m/s", "K"))
    assert [unit_of(names, unit, i) for i in (0, 1, 2)] == ["m/s", "K", ""]
    assert unit_of(("u", "v"), "m/s", 1) == "m/s"
    assert name_and_unit("T [K]") == ("T", "K")


def test_only_components_of_one_unit_have_a_magnitude():
    assert have_magnitude(("u", "v", "w"), "m/s", 3)
    assert have_magnitude((), "", 2)
    assert not have_magnitude(("u [m/s]", "T [K]"), "", 2)
    assert not have_magnitude(("red", "green", "blue"), "", 3)
    assert not have_magnitude((), "", 4)
    assert have_magnitude(("vx", "vy"), "", 2)
    assert have_magnitude(("u:0", "u:1", "u:2"), "", 3)
    assert not have_magnitude(("DAPI", "GFP"), "", 2)
    assert units_differ(("u [m/s]", "n"), "")


def test_colours_are_known_by_name_or_as_three_bytes():
    assert are_colours(("red", "green", "blue"), 3, np.dtype(np.uint16))
    assert are_colours((), 3, np.dtype(np.uint8))
    assert not are_colours((), 3, np.dtype(np.float32))
    assert not are_colours(("DAPI", "GFP", "RFP"), 3, np.dtype(np.uint8))


def test_components_are_a_channel_a_norm_or_a_mean():
    values = np.array([[3, 4, 0], [0, 5, 12]], dtype=np.int16)
    assert component(values, 1).tolist() == [4, 5]
    assert component(values, "magnitude").tolist() == [5, 13]
    assert component(values, "colour") == pytest.approx([7 / 3, 17 / 3])
