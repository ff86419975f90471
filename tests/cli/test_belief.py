"""Whether to believe a field, asked from the shell: one object, files that say their units, mistakes in a sentence."""

import json

import mrcfile
import numpy as np
import pytest

from dinr_studio.__main__ import main
from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.experiments.belief.twins import split
from dinr_studio.io import open_volume
from dinr_studio.training.fit import fit
from dinr_studio.training.run_file import read_run


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
    text = figure.read_text(encoding="utf-8")
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


def test_a_file_of_the_fields_shape_is_compared_voxel_by_voxel_and_one_elsewhere_refused(shell, halves, run):
    values = open_volume(halves / "a.mrc").values[..., 0]
    for name, part, place in (("moved.mrc", values, 500.0), ("part.mrc", values[4:20, 4:20, 4:20], 8.0)):
        with mrcfile.new(halves / name, part.copy(), overwrite=True) as file:
            file.voxel_size = 2.0
            file.header.origin = (place,) * 3
    own, moved, part = (
        json.loads(shell("fsc", run, halves / name, "--json")[1])["curves"]["unmasked"]
        for name in ("a.mrc", "moved.mrc", "part.mrc")
    )
    np.testing.assert_allclose(moved, own, atol=1e-9)
    assert part[1] > 0.7
    with mrcfile.open(halves / "part.mrc", mode="r+") as file:
        file.header.origin = (500.0,) * 3
    status, _, err = shell("fsc", run, halves / "part.mrc")
    assert status == 2
    assert "put the origin of one right" in err


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
    assert "cycles per angstrom" in figure.read_text(encoding="utf-8")
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


def test_fsc_of_a_part_opens_both_files_and_the_mask_so_and_a_voxel_size_counts_for_all(shell, halves, tmp_path):
    cut, names = (slice(2, 18),) * 3, ("a.mrc", "b.mrc", "mask.mrc")
    mask = np.zeros((24, 24, 24), dtype=np.float32)
    mask[6:14, 6:14, 6:14] = 1
    whole = [open_volume(halves / name).values[..., 0] for name in names[:2]] + [mask]
    for name, values in zip(names, whole, strict=True):
        for folder, part in (("whole", values), ("part", values[cut])):
            (tmp_path / folder).mkdir(exist_ok=True)
            with mrcfile.new(tmp_path / folder / name, part.copy()) as file:
                file.voxel_size = 2.0 if folder == "whole" else 3.0
    sizes = "--voxel-size", 3, "--crop", "4.5:52.5angstrom,2:18,2:18"
    found, expected = (
        json.loads(shell("fsc", *(tmp_path / folder / name for name in names[:2]), *more, "--json")[1])
        for folder, more in (
            ("whole", ("--mask", tmp_path / "whole" / "mask.mrc", *sizes)),
            ("part", ("--mask", tmp_path / "part" / "mask.mrc")),
        )
    )
    assert found["frequency"][-1] <= 1 / 6
    assert found["curves"] == expected["curves"]
    assert found["resolution"] == expected["resolution"]


def test_a_field_is_compared_with_the_part_of_a_file_that_was_asked_for(shell, halves, run):
    found = json.loads(shell("fsc", run, halves / "a.mrc", "--crop", "4:20,4:20,4:20", "--json")[1])
    assert found["curves"]["unmasked"][1] > 0.7
    assert len(found["frequency"]) == 9


def test_spectra_of_a_part_in_another_voxel_size_are_in_its_frequencies(shell, halves):
    status, out, _ = shell(
        "spectra", halves / "b.mrc", "--crop", ":,:,0:10", "--voxel-size", "0.5", "--unit", "nm", "--json"
    )
    assert status == 0
    found = json.loads(out)
    assert found["unit"] == "nm"
    axis = found["spectra"]["data"]["axes"]["x"]
    assert axis["nyquist"] == pytest.approx(1.0)
    assert axis["frequency"][1] == pytest.approx(1 / (10 * 0.5))


@pytest.mark.parametrize("command", ["fsc", "spectra"])
def test_a_run_is_no_file_to_open_in_another_way(shell, run, command):
    status, out, err = shell(command, run, "--crop", "0:9,:,:", "--voxel-size", 2)
    assert (status, out) == (2, "")
    assert "--voxel-size, --crop" in err
    assert "give a volume file" in err
    assert err.count("\n") == 1


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


SMALL = [
    "--preset",
    "quick",
    "--epochs",
    1,
    "--holdout",
    0.1,
    "--set",
    "width=16",
    "--set",
    "blocks=1",
    "--device",
    "cpu",
]


@pytest.fixture(scope="module")
def members(halves):
    """A folder with an ensemble of two small fields, and what `ensemble --json` printed."""
    arguments = ["ensemble", halves / "a.mrc", "-o", halves / "members", "--members", 2, *SMALL]
    assert main([str(argument) for argument in arguments]) == 0
    return halves / "members"


def test_an_ensemble_has_seeds_of_its_own_and_the_same_voxels_held_out(members):
    first, second = (read_run(members / f"member-0{number}.dinr") for number in (1, 2))
    np.testing.assert_array_equal(first.held_out, second.held_out)
    assert second.config.training.seed == first.config.training.seed + 1
    assert any((first.best[name] != second.best[name]).any() for name in first.best)


def test_members_that_are_there_are_kept_and_other_settings_refused(shell, halves, members):
    before = (members / "member-01.dinr").read_bytes()
    status, out, _ = shell("ensemble", halves / "a.mrc", "-o", members, "--members", 2, "--json")
    assert status == 0
    assert len(json.loads(out)["members"]) == 2
    assert (members / "member-01.dinr").read_bytes() == before
    status, _, err = shell("ensemble", halves / "a.mrc", "-o", members, "--epochs", 3)
    assert status == 2
    assert "other settings" in err
    status, _, err = shell("ensemble", halves / "b.mrc", "-o", members, "--members", 2)
    assert status == 2
    assert "choose another folder" in err


@pytest.mark.parametrize("source", ["members", "members/member-01.dinr"])
def test_uncertainty_is_written_as_mean_and_deviation_on_a_finer_grid(shell, halves, members, tmp_path, source):
    out, figure = tmp_path / "out.mrc", tmp_path / "calibration.svg"
    status, printed, _ = shell("uncertainty", halves / source, "-o", out, "--factor", 1.5, "--figure", figure, "--json")
    assert status == 0
    found = json.loads(printed)
    assert found["method"] == ("ensemble" if source == "members" else "last-layer Laplace")
    coverage = found["calibration"]["coverage"]
    assert coverage["0.68"]["scaled"] == pytest.approx(0.68, abs=0.08)
    spread, mean = (open_volume(path) for path in (out, tmp_path / "out-mean.mrc"))
    assert spread.grid == mean.grid
    assert spread.grid.shape == (36, 36, 36)
    assert spread.value_range[0] >= 0
    assert "promised share" in figure.read_text(encoding="utf-8")


def test_twin_fit_writes_runs_table_and_figure_and_keeps_them(shell, halves, tmp_path):
    folder = tmp_path / "twins"
    status, out, _ = shell("twin-fit", halves / "a.mrc", halves / "b.mrc", "-o", folder, *SMALL, "--json")
    assert status == 0
    found = json.loads(out)
    assert {path.name for path in folder.iterdir()} == {"half-1.dinr", "half-2.dinr", "fsc.csv", "fsc.svg"}
    header, *rows = (folder / "fsc.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("frequency (1/angstrom),modes,")
    assert len(rows) == len(found["fields"]["frequency"])
    assert found["halves"]["curves"]["unmasked"][1] > 0.9
    crossed = [
        json.loads(shell("fsc", folder / f"half-{number}.dinr", halves / other, "--json")[1])["curves"]["unmasked"]
        for number, other in ((1, "b.mrc"), (2, "a.mrc"))
    ]
    np.testing.assert_allclose(found["cross"], np.mean(crossed, axis=0), atol=1e-6)
    first, second = (read_run(folder / f"half-{number}.dinr") for number in (1, 2))
    assert first.config.training.seed != second.config.training.seed
    again = json.loads(shell("twin-fit", halves / "a.mrc", halves / "b.mrc", "-o", folder, "--json")[1])
    assert again["fields"]["curves"] == found["fields"]["curves"]


def test_one_volume_is_split_into_halves_that_share_no_voxel(shell, halves, tmp_path):
    status, out, err = shell("twin-fit", halves / "a.mrc", "--split", "-o", tmp_path / "twins", *SMALL)
    assert status == 0
    assert "disjoint halves" in err
    assert "The fields agree up to" in out
    first, second = split(open_volume(halves / "a.mrc"), 0)
    assert (first.missing ^ second.missing).all()
    status, _, err = shell("uncertainty", tmp_path / "twins" / "half-1.dinr")
    assert status == 2
    assert "--split" in err


@pytest.mark.parametrize(("arguments", "words"), [
    (["twin-fit", "a.mrc", "-o", "x"], "two half maps, or one volume and --split"),
    (["twin-fit", "a.mrc", "a.mrc", "-o", "x"], "one file"),
    (["twin-fit", "a.mrc", "sample:emd-3001", "-o", "x"], "lie on one grid"),
    (["ensemble", "a.mrc", "-o", "x", "--members", "1"], "2 to 100"),
    (["ensemble", "a.mrc", "-o", "x", "--set", "nothing=1"], "no setting nothing"),
    (["uncertainty", "."], "an ensemble has 2 or more"),
])  # fmt: skip
def test_a_mistake_with_fits_ends_in_one_sentence(shell, halves, monkeypatch, arguments, words):
    monkeypatch.chdir(halves)
    status, _, err = shell(*arguments)
    assert status == 2
    assert words in err
    assert not list(halves.glob("x/*"))


def test_score_adds_structure_by_octant_or_by_labels(shell, halves, run):
    status, out, _ = shell("score", run, "--structure", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["held_out"]["psnr"] > 0
    assert len(found["structure"]["regions"]) == 8
    assert 0 < found["structure"]["whole"]["ssim"] < 1
    labels = np.zeros((24, 24, 24), dtype=np.int16)
    labels[:10] = 2
    with mrcfile.new(halves / "labels.mrc", labels, overwrite=True):
        pass
    status, out, _ = shell("score", run, "--regions", halves / "labels.mrc")
    assert status == 0
    assert "region 2" in out
    assert "band (cycles per angstrom)" in out
