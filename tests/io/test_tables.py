import numpy as np
import pytest

from dinr_studio.errors import FileFormatError
from dinr_studio.io.tables import open_samples, read_table
from dinr_studio.volume import Provenance

ROWS = np.random.default_rng(0).uniform(-1, 1, (200, 3))


def csv(path, separator=",", head="x [mm],y [mm],t2m"):
    rows = [separator.join(f"{number:.6f}" for number in row) for row in ROWS]
    path.write_text("\n".join([head.replace(",", separator), *rows]) + "\n")
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_named_for_axes_are_positions_and_the_rest_values(tmp_path, separator):
    table = read_table(csv(tmp_path / "a.csv", separator), "CSV")
    assert table.axes == ("y", "x")
    assert table.units == ("mm", "mm")
    assert table.channel_names == ("t2m",)
    np.testing.assert_allclose(table.positions, ROWS[:, [1, 0]], atol=1e-6)
    np.testing.assert_allclose(table.values[:, 0], ROWS[:, 2], atol=1e-6)


def test_the_volume_holds_the_mean_of_the_samples_in_each_voxel(tmp_path):
    volume = open_samples(csv(tmp_path / "a.csv"), Provenance(reader="CSV"), (None, None))
    table = volume.samples
    assert table.count == 200
    cells = table.cells(volume.grid)
    for cell in np.unique(cells)[:20]:
        mean = table.values[cells == cell].mean()
        assert volume.values.reshape(-1)[cell] == pytest.approx(mean, rel=1e-5)
    assert volume.missing_share == pytest.approx(1 - len(np.unique(cells)) / volume.grid.size)


def test_a_table_without_positions_is_refused_in_words(tmp_path):
    with pytest.raises(FileFormatError, match="position"):
        read_table(csv(tmp_path / "a.csv", head="a,b,c"), "CSV")
