"""Pictures of slices: of the right slice, with something in them, or refused in words."""

import numpy as np
import pytest
from PIL import Image

from dinr_studio.errors import ConfigError, OutputError
from dinr_studio.sampling.picture import slice_picture


@pytest.mark.parametrize(
    ("shape", "options"), [((9, 11), {}), ((5, 6, 7), {"axis": "x", "index": 2}), ((3, 4, 5, 6), {})]
)
def test_a_picture_has_three_panes_with_something_in_them(tmp_path, make_smooth_volume, exact_field, shape, options):
    volume = make_smooth_volume(shape, noise=0.2)
    path = tmp_path / "a.png"
    slice_picture(volume, exact_field(volume.grid), path, **options)
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    width = pixels.shape[1]
    for pane in (pixels[:, : width // 3], pixels[:, width // 3 : 2 * width // 3], pixels[:, 2 * width // 3 :]):
        assert len(np.unique(pane.reshape(-1, 3), axis=0)) > 20
    residual = pixels[:, 2 * width // 3 :].reshape(-1, 3)
    assert ((residual[:, 0] - residual[:, 2]) > 60).any()  # red, where the field lies above the data
    assert ((residual[:, 2] - residual[:, 0]) > 60).any()  # blue, where it lies below


@pytest.mark.parametrize(
    ("name", "options", "kind", "word"),
    [
        ("a.gif", {}, OutputError, "end it in"),
        ("a.png", {"axis": "t"}, ConfigError, "no axis t"),
        ("a.png", {"axis": "z", "index": 99}, ConfigError, "choose 0 to 4"),
        ("a.png", {"channel": 3}, ConfigError, "channels 0 to 0"),
    ],
)
def test_a_picture_that_cannot_be_is_refused_in_words(
    tmp_path, make_smooth_volume, exact_field, name, options, kind, word
):
    volume = make_smooth_volume((5, 6, 7))
    with pytest.raises(kind, match=word):
        slice_picture(volume, exact_field(volume.grid), tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []
