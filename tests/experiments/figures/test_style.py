import pytest

from dinr_studio.errors import OutputError
from dinr_studio.experiments.figures.style import figure_style, new_figure, save_figure


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")])
def test_a_figure_is_written_in_the_format_its_name_ends_in(tmp_path, suffix, start):
    with figure_style():
        figure = new_figure()
        figure.add_subplot(xlabel="frequency (1/Å, $5)", ylabel="FSC").plot([0, 1], [1, 0])
    save_figure(figure, tmp_path / f"figure{suffix}")
    assert (tmp_path / f"figure{suffix}").read_bytes().startswith(start)


def test_writing_stays_writing_in_a_vector_figure(tmp_path):
    with figure_style():
        figure = new_figure()
        figure.add_subplot(xlabel="cost ($)", ylabel="value ($)")
    save_figure(figure, tmp_path / "figure.svg")
    assert "cost ($)" in (tmp_path / "figure.svg").read_text(encoding="utf-8")


def test_a_name_that_ends_in_no_format_is_refused_and_nothing_is_written(tmp_path):
    with figure_style(), pytest.raises(OutputError, match=r"figure\.bmp is no figure's name; end it in \.svg"):
        save_figure(new_figure(), tmp_path / "figure.bmp")
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept_unless_forced(tmp_path):
    path = tmp_path / "figure.svg"
    path.write_text("mine")
    with pytest.raises(OutputError):
        save_figure(new_figure(), path)
    assert path.read_text(encoding="utf-8") == "mine"
    save_figure(new_figure(), path, force=True)
    assert path.read_text(encoding="utf-8") != "mine"


def test_powers_of_ten_are_named_in_letters_and_not_by_formulas(tmp_path):
    with figure_style():
        figure = new_figure()
        figure.add_subplot().loglog([1, 1e6], [1e-9, 1])
    save_figure(figure, tmp_path / "figure.svg")
    written = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert "10⁻⁶" in written
    assert "mathdefault" not in written
