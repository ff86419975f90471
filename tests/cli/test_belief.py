"""Whether to believe a field, asked from the shell: one object, files that say their units, mistakes in a sentence."""

import json

import mrcfile
import numpy as np
import pytest

from dinr_studio.io import open_volume


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """A folder with two half maps of 24^3 voxels of 2 angstrom: a shared low-passed signal, noise of each one's own."""
    folder = tmp_path_factory.mktemp("halves")
    shape = (24, 24, 24)
    squares = sum(np.square(f) for f in np.meshgrid(*[np.fft.fftfreq(24)] * 3, indexing="ij"))
    random = np.random.default_rng(0)
    signal = np.fft.ifftn(np.fft.fftn(random.standard_normal(shape)) * (squares < 0.2**2)).real * 0.3
    for name in ("a.mrc", "b.mrc"):
        with mrcfile.new(folder / name, (signal + 0.1 * random.standard_normal(shape)).astype(np.float32)) as file:
            file.voxel_size = 2.0
    return folder


def test_fsc_prints_one_object_and_writes_figure_and_local_resolution(shell, halves, tmp_path):
    figure, local = tmp_path / "fsc.svg", tmp_path / "local.mrc"
    status, out, _ = shell(
        "fsc", halves / "a.mrc", halves / "b.mrc", "--mask", "sphere", "--directional",
        "--local", local, "--window", 12, "-o", figure, "--json",
    )  # fmt: skip
    assert status == 0
    found = json.loads(out)
    assert found["resolution"]["0.5"] == pytest.approx(2 / 0.2, rel=0.2)
    assert set(found["curves"]) == {"unmasked", "masked", "randomised", "corrected"}
    assert found["directional"]["sphericity"] > 0.8
    text = figure.read_text()
    assert "spatial frequency (1/angstrom)" in text
    assert "corrected for the mask" in text
    volume = open_volume(str(local))
    assert volume.grid.shape == (24, 24, 24)
    assert found["local"]["finest"] == pytest.approx(volume.value_range[0], rel=0.05)


def test_fsc_says_what_a_person_wants_to_know(shell, halves):
    status, out, _ = shell("fsc", halves / "a.mrc", halves / "b.mrc")
    assert status == 0
    assert "Fourier shell correlation without a mask: resolution" in out
    assert "angstrom at 0.143" in out


@pytest.mark.parametrize(("arguments", "words"), [
    (["a.mrc"], "stands alone; give a second map"),
    (["a.mrc", "sample:turbulence-3d"], "lie on one grid"),
    (["a.mrc", "b.mrc", "--mask", "cube"], "choose none, sphere, box or a file"),
    (["a.mrc", "b.mrc", "--channel", "3"], "has channels 0 to 0"),
    (["a.mrc", "b.mrc", "-o", "fsc.bmp"], "no figure's name"),
    (["a.mrc", "b.mrc", "-o", "a.mrc"], "no figure's name"),
    (["a.mrc", "b.mrc", "--local", "b.mrc"], "exists already"),
])  # fmt: skip
def test_a_mistake_with_fsc_ends_in_one_sentence(shell, halves, monkeypatch, arguments, words):
    monkeypatch.chdir(halves)
    before = sorted(path.name for path in halves.iterdir())
    status, out, err = shell("fsc", *arguments)
    assert status == 2
    assert out == ""
    assert words in err
    assert sorted(path.name for path in halves.iterdir()) == before
