"""Whether to believe a field, asked from the shell: one object, files that say their units, mistakes in a sentence."""

import json

import mrcfile
import numpy as np
import pytest

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.io import open_volume
from dinr_studio.training.fit import fit


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


@pytest.fixture(scope="module")
def run(halves):
    """A run file with a small field of the first half map."""
    field = FieldConfig(family="dinr-siren", width=16, blocks=1, steps=2, omega_0=10.0)
    training = TrainingConfig(max_epochs=4, batch=256, held_out_share=0.1, device="cpu", seed=7, learning_rate=5e-3)
    config = FitConfig(preset="test", field=field, training=training)
    list(fit(open_volume(halves / "a.mrc"), config, path=halves / "a.dinr"))
    return halves / "a.dinr"


def test_fsc_of_a_run_is_against_its_own_data_or_a_file(shell, halves, run):
    own, other = (json.loads(shell("fsc", run, *more, "--json")[1]) for more in ((), (halves / "b.mrc",)))
    assert (own["first"], own["second"]) == ("field of a.dinr", "data of a.dinr")
    assert (other["first"], other["second"]) == ("field of a.dinr", "b.mrc")
    assert own["curves"]["unmasked"][1] > 0.8
    assert own["unit"] == "angstrom"


def test_spectra_of_a_run_hold_data_field_residual_and_the_finer_field(shell, run, tmp_path):
    figure = tmp_path / "spectra.svg"
    status, out, _ = shell("spectra", run, "--factor", 2, "-o", figure, "--json")
    assert status == 0
    found = json.loads(out)
    assert list(found["spectra"]) == ["data", "field", "residual", "field x2"]
    assert found["spectra"]["field x2"]["radial"]["nyquist"] == pytest.approx(0.5)
    assert found["spectra"]["data"]["radial"]["nyquist"] == pytest.approx(0.25)
    assert 0 <= found["beyond_nyquist"]["share"] < 0.5
    assert set(found["spectra"]["data"]["axes"]) == {"z", "y", "x"}
    assert "cycles per angstrom" in figure.read_text()
    status, out, _ = shell("spectra", run)
    assert status == 0
    assert "power density in (value)² by frequency in cycles per angstrom" in out


def test_spectra_of_a_file_are_those_of_its_values_alone(shell, halves):
    status, out, _ = shell("spectra", halves / "b.mrc", "--json")
    assert status == 0
    assert list(json.loads(out)["spectra"]) == ["data"]
    status, _, err = shell("spectra", halves / "b.mrc", "--factor", 2)
    assert status == 2
    assert "leave --factor out" in err


def test_an_export_to_a_finer_grid_says_how_much_no_voxel_confirms(shell, run, tmp_path):
    status, out, _ = shell("export", run, "-o", tmp_path / "out.mrc", "--factor", 2, "--json")
    assert status == 0
    share = json.loads(out)["beyond_nyquist"]["share"]
    with mrcfile.open(tmp_path / "out.mrc") as file:
        labels = " ".join(file.get_labels())
    assert "energy beyond the data's Nyquist frequency" in labels
    status, out, _ = shell("export", run, "-o", tmp_path / "same.mrc")
    assert "energy beyond" not in out
    status, out, _ = shell("export", run, "-o", tmp_path / "again.mrc", "--factor", 2)
    assert f"{100 * share:.2g} % of the variance" in out


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
