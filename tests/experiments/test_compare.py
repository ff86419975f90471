"""Runs beside each other: what differs, and whether their scores may be compared."""

import numpy as np
import pytest

import dinr_studio as ds
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.compare import beside, check_runs, read_and_compare
from dinr_studio.experiments.figures.runs import comparison_figure
from dinr_studio.experiments.run_facts import held_out_alike, names_of, read_facts

SMALL = {"family": "dinr-siren", "width": 12, "blocks": 1, "steps": 1, "max_epochs": 6, "batch": 256, "device": "cpu"}


def finished(steps):
    shares = []
    while True:
        try:
            shares.append(next(steps).share)
        except StopIteration as end:
            assert shares == sorted(shares)
            return end.value


@pytest.fixture(scope="module")
def folder(make_smooth_volume, tmp_path_factory):
    """Runs a, b (wider, another seed), part (of other data that overlaps), other (elsewhere), and a copy of a."""
    folder = tmp_path_factory.mktemp("runs")
    values = make_smooth_volume((10, 12, 14)).values[..., 0]
    np.save(folder / "whole.npy", values)
    np.save(folder / "moved.npy", values[2:, 3:] + np.float32(0.5))
    whole = ds.open_volume(folder / "whole.npy", unit="nm")
    ds.fit(whole, "quick", path=folder / "a.dinr", **SMALL)
    ds.fit(whole, "quick", path=folder / "b.dinr", **SMALL | {"width": 16, "learning_rate": 0.02})
    ds.fit(whole, "quick", path=folder / "seed.dinr", **SMALL | {"seed": 1})
    moved = ds.from_array(values[2:, 3:] + np.float32(0.5), unit="nm", origin=(2, 3, 0))
    ds.fit(moved, "quick", path=folder / "part.dinr", **SMALL)
    ds.fit(ds.from_array(values, unit="mm"), "quick", path=folder / "other.dinr", **SMALL)
    ds.load(folder / "a.dinr").save(folder / "same.dinr")
    return folder


def test_only_settings_that_differ_are_listed(folder):
    found = beside(read_facts([folder / "a.dinr", folder / "b.dinr"]))
    assert found.settings == {"width": (12, 16), "learning_rate": (0.01, 0.02)}
    assert found.alike
    assert found.held_out.startswith("All were judged on the same 34 held-out voxels")


def test_runs_judged_on_other_voxels_say_so(folder):
    alike, sentence = held_out_alike(read_facts([folder / "a.dinr", folder / "seed.dinr"]))
    assert not alike
    assert "a 2 % random, seed 3407 and seed 2 % random, seed 1" in sentence
    alike, sentence = held_out_alike(read_facts([folder / "a.dinr", folder / "part.dinr"]))
    assert not alike
    assert "different data" in sentence


def test_a_run_does_not_differ_from_its_copy(folder):
    found = finished(read_and_compare([folder / "a.dinr", folder / "same.dinr"], "cpu"))
    assert found.settings == {}
    assert found.differences["same"].rms == 0
    assert found.differences["same"].psnr == 300
    np.testing.assert_array_equal(found.plane.differences["same"], 0)


def test_fields_of_other_data_are_compared_where_they_overlap_and_others_refused(folder):
    paths = [folder / f"{name}.dinr" for name in ("a", "part", "other")]
    found = finished(read_and_compare(paths, "cpu"))
    part = found.differences["part"]
    assert part.grid.shape == (8, 9, 14)
    assert "z 1.5 to 9.5 nm" in part.where
    assert "other" not in found.differences
    assert found.refused == (found.refused[0],)
    assert found.refused[0].startswith("other and a: One field's lengths are in nm, nm, nm and the other's in mm")
    one, another = ds.load(paths[0]), ds.load(paths[1])
    places = np.stack(np.meshgrid(*(part.grid.axis_positions(i) for i in range(3)), indexing="ij"), axis=-1)
    assert part.rms == pytest.approx(np.sqrt(np.mean((another(places) - one(places)) ** 2)), rel=1e-4)
    assert part.at == pytest.approx(
        tuple(places[np.unravel_index(np.abs(another(places) - one(places)).argmax(), (8, 9, 14))])
    )


def test_spectra_are_those_of_fields_and_data_over_the_same_places(folder):
    found = finished(read_and_compare([folder / "a.dinr", folder / "b.dinr"], "cpu"))
    assert list(found.spectra) == ["data", "a", "b"]
    assert found.frequency_unit == "nm"
    assert found.spectra["data"].nyquist == pytest.approx(0.5)
    values = ds.open_volume(folder / "whole.npy").values[..., 0].astype(float)
    window = np.ones(())
    for n in values.shape:
        window = window[..., None] * np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
    power = np.sum(((values - values.mean()) * window) ** 2) * values.size / np.sum(window**2)  # Parseval
    spectrum = found.spectra["data"]
    assert 0.5 * power < np.sum(spectrum.power * spectrum.modes) <= power


def test_the_figure_has_a_line_for_each_run_in_each_panel(folder):
    found = finished(read_and_compare([folder / "a.dinr", folder / "b.dinr", folder / "seed.dinr"], "cpu"))
    figure = comparison_figure(found)
    panels = [axes for axes in figure.get_axes() if axes.get_xlabel()]
    assert {axes.get_xlabel() for axes in panels} >= {
        "optimiser steps",
        "training time (s)",
        "frequency (cycles per nm)",
    }
    assert [len(axes.get_lines()) for axes in panels if axes.get_xlabel() == "optimiser steps"] == [3, 3]
    assert [axes.get_title() for axes in panels if axes.images] == ["a", "b: difference", "seed: difference"]


def test_names_are_as_long_as_it_takes_to_tell_runs_apart():
    assert names_of(["x/run.dinr", "y/run.dinr", "y/b.dinr"]) == ["x/run", "y/run", "b"]
    assert names_of(["a.dinr", "a.dinr"]) == ["a (1)", "a (2)"]


def test_one_run_is_none_to_compare(tmp_path):
    with pytest.raises(ConfigError, match="1 runs were named; compare 2 to 12"):
        check_runs([tmp_path / "a.dinr"])
