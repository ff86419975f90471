"""What users type becomes values, or one sentence."""

import pytest

from dinr_studio.cli import values
from dinr_studio.errors import ConfigError


@pytest.mark.parametrize(("text", "expected"), [("60s", 60), ("5m", 300), ("1.5h", 5400), ("90", 90), ("2 min", 120)])
def test_times_are_seconds(text, expected):
    assert values.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "-3s", "0s", "3d"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ConfigError, match="write it as"):
        values.seconds(text)


def test_numbers_shapes_and_boxes():
    assert values.numbers("2", "--factor") == (2.0,)
    assert values.numbers("2,1.5,1", "--factor") == (2.0, 1.5, 1.0)
    assert values.whole_numbers("64,32,16", "--shape") == (64, 32, 16)
    assert values.box("0:50,-20:20.5") == ((0.0, 50.0), (-20.0, 20.5))
    assert values.numbers(None, "--factor") is None


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (values.numbers, "2;3"),
        (values.numbers, "nan"),
        (values.whole_numbers, "2.5"),
        (values.whole_numbers, "0,1,2"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused_with_the_option(parse, text):
    with pytest.raises(ConfigError, match="--option"):
        parse(text, "--option")


@pytest.mark.parametrize("text", ["1,2", "1:2:3", "a:b", ""])
def test_what_is_no_box_is_refused(text):
    with pytest.raises(ConfigError, match="START:STOP"):
        values.box(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("width=96", 96),
        ("learning_rate=1e-3", 1e-3),
        ("gradient_clip=none", None),
        ("zero_start=false", False),
        ("outliers=keep", "keep"),
    ],
)
def test_settings_are_names_with_values(text, expected):
    assert values.setting(text) == (text.partition("=")[0], expected)


def test_what_is_no_setting_is_refused():
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        values.setting("width")
