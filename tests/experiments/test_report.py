"""Reports: one file that tells of runs, loads nothing, and believes no name."""

import base64
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

import dinr_studio as ds
from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.errors import ConfigError, OutputError
from dinr_studio.experiments.repeat import wrapped
from dinr_studio.experiments.report import html, pages
from dinr_studio.experiments.report.citations import WORKS, cited
from dinr_studio.experiments.report.document import Code, Document, Heading, Paragraph, Table
from dinr_studio.experiments.report.html import as_html
from dinr_studio.experiments.report.making import check_report, make_report, write_report
from dinr_studio.experiments.report.material import gather
from dinr_studio.experiments.run_facts import read_facts

SMALL = {"family": "dinr-siren", "width": 12, "blocks": 1, "steps": 2, "max_epochs": 4, "batch": 256, "device": "cpu"}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&$x_2$"
VOID = {"meta", "img"}


class Page(HTMLParser):
    """The elements of a page, its text, and whether they are nested well."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.said = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.said.append(data)

    @property
    def text(self):
        return " ".join(self.said)


def finished(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.fixture(scope="module")
def folder(make_smooth_volume, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    np.save(folder / "data.npy", make_smooth_volume((9, 10, 12), noise=0.1).values[..., 0])
    volume = ds.open_volume(folder / "data.npy", unit="nm", voxel_size=2)
    ds.fit(volume, "quick", path=folder / "one.dinr", **SMALL)
    ds.fit(volume, "quick", path=folder / "two.dinr", **SMALL | {"kinetic_weight": 0.1, "width": 16})
    return folder


@pytest.fixture(scope="module")
def page(folder):
    written = finished(make_report([folder / "one.dinr"], folder / "one.html", None, "cpu", force=False))
    assert written.left_out == ()
    return Page((folder / "one.html").read_text(encoding="utf-8"))


def test_a_report_tells_all_that_it_should(folder, page):
    run = ds.load(folder / "one.dinr")
    said = page.text
    for heading in ("Whether to believe it", "Data", "Slices", "Power spectra", "Fourier shell correlation", "Curves",
                    "Neural tangent kernel", "Latent trajectory", "Plan against fact", "Settings", "Environment",
                    "To repeat it", "Methods", "References"):  # fmt: skip
        assert heading in said
    assert run.scores["held_out"]["verdict"] in said
    assert f"{run.scores['held_out']['psnr']:.2f}" in said
    assert run.run.provenance.sha256 in said
    assert "9 × 10 × 12 voxels (z, y, x)" in said
    assert "5 settings that differ from the preset's own are marked" not in said
    assert re.search(r"\d+ settings that differ from the preset's own are marked", said)
    assert "--width 12" in said
    assert "ds.fit(volume, 'quick'" in said
    assert "arXiv:2511.21787" in said
    assert f"{run.scores['parameters']:,} parameters in all" in said
    assert run.scores["environment"]["python"] in said


def test_a_page_loads_nothing_and_runs_nothing(page):
    assert not [tag for tag, _ in page.elements if tag in ("script", "link", "iframe", "object", "embed", "base")]
    assert {"default-src 'none'; img-src data:; style-src 'unsafe-inline'"} == {
        attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes
    }
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith("#")
        if "src" in attributes:
            assert tag == "img"
            assert attributes["src"].startswith("data:image/")
            assert attributes["alt"]


def test_pictures_are_whole_svg_and_png_in_the_page(page):
    sources = [attributes["src"].split(",") for tag, attributes in page.elements if tag == "img"]
    kinds = [kind for kind, _ in sources]
    assert kinds.count("data:image/png;base64") == 1
    assert kinds.count("data:image/svg+xml;base64") >= 5
    for kind, data in sources:
        content = base64.b64decode(data)
        if "png" in kind:
            assert content.startswith(b"\x89PNG")
        else:
            root = ElementTree.fromstring(content)
            assert root.tag.endswith("svg")
            assert b"<script" not in content


def test_names_from_files_are_never_taken_for_markup():
    document = Document(
        HOSTILE,
        HOSTILE,
        (Heading(HOSTILE, 1), Heading(HOSTILE), Paragraph(HOSTILE), Code(HOSTILE), Heading(HOSTILE, 1),
         Table((HOSTILE, HOSTILE), ((HOSTILE, HOSTILE),), HOSTILE)),
    )  # fmt: skip
    text = as_html(document)
    page = Page(text)
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img"})
    assert "<script" not in text
    assert "alert(1)" in page.text


def test_a_run_of_a_stranger_cannot_smuggle_markup_into_a_report(folder, tmp_path):
    from dataclasses import replace

    from dinr_studio.training.run_file import write_run

    run = ds.load(folder / "one.dinr").run
    source = replace(run.provenance, file=f"/nowhere/{HOSTILE}.npy", notes=(HOSTILE,), dataset=HOSTILE)
    config = run.config.model_copy(update={"preset": HOSTILE, "reasons": (HOSTILE,)})
    scores = {**run.scores, "held_out": {**run.scores["held_out"], "verdict": HOSTILE},
              "environment": {"processor": HOSTILE, "libraries": {HOSTILE: HOSTILE}}}  # fmt: skip
    changed = {"provenance": source, "config": config, "scores": scores, "value_unit": HOSTILE, "end_reason": HOSTILE}
    hostile = run.updated(**changed, channel_names=(HOSTILE,), open_options={"dataset": HOSTILE, "unit": HOSTILE})
    write_run(hostile, tmp_path / "hostile.dinr")
    for name in ("report.html", "report.pdf"):
        written = finished(make_report([tmp_path / "hostile.dinr"], tmp_path / name, None, "cpu", force=False))
        assert any("is not there any more" in sentence for sentence in written.left_out)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "<script" not in text
    assert [
        tag for tag, attributes in page.elements if tag == "img" and not attributes["src"].startswith("data:")
    ] == []
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_without_its_data_a_report_says_so_and_tells_the_rest(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(html, "_source", lambda picture: "data:,")  # drawing is looked at elsewhere
    field = ds.load(folder / "one.dinr")
    from dataclasses import replace

    gone = replace(field.run.provenance, file=str(tmp_path / "gone.npy"))
    from dinr_studio.training.run_file import write_run

    write_run(field.run.updated(provenance=gone), tmp_path / "run.dinr")
    finished(make_report([tmp_path / "run.dinr"], tmp_path / "report.html", None, "cpu", force=False))
    said = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "gone.npy is not there any more" in said
    assert "What needs the data is left out of this report." in said
    assert field.scores["held_out"]["verdict"] in said
    assert "Neural tangent kernel" in said
    assert "Power spectra" not in said
    assert "so settings that differ are not marked" in said
    facts = read_facts([tmp_path / "run.dinr"])[0]
    assert finished(gather(facts, str(folder / "data.npy"), torch.device("cpu"))).spectra is not None


def test_several_runs_stand_beside_each_other_first(folder, tmp_path, monkeypatch):
    from matplotlib.backends.backend_pdf import PdfPages

    save, saved = PdfPages.savefig, []  # the first page alone: drawing them all takes most of the time
    monkeypatch.setattr(PdfPages, "savefig", lambda pdf, figure: saved or saved.append(save(pdf, figure)))
    seen = []
    real = pages._Pages.turn
    monkeypatch.setattr(
        pages._Pages, "turn", lambda self: (seen.extend(t.get_text() for t in self.figure.texts), real(self))
    )
    runs = [folder / "one.dinr", folder / "two.dinr"]
    finished(make_report(runs, tmp_path / "both.pdf", None, "cpu", force=False))
    assert (tmp_path / "both.pdf").read_bytes().startswith(b"%PDF")
    said = " ".join(seen)
    assert "The runs beside each other" in said
    assert "two less one: RMS" in said
    assert seen.count("Methods") == 2
    assert seen.index("Settings that differ") < seen.index("Methods")


def test_nothing_on_a_page_leaves_its_margins(folder, tmp_path, monkeypatch):
    wide = []

    def keep(self):
        for text in self.figure.texts:
            if text.get_ha() == "left":
                size, family = text.get_fontsize(), text.get_fontfamily()[0]
                start = text.get_position()[0] * pages.PAGE[0]
                weight = "bold" if text.get_fontweight() == "bold" else "normal"
                wide.append(start + pages.text_width(text.get_text(), size, family=family, weight=weight))

    real = pages._Pages.turn
    monkeypatch.setattr(pages._Pages, "turn", lambda self: (keep(self), real(self)))
    long = "word " * 200 + "x" * 400
    table = Table(("name", "value", "what it is"), (("a" * 90, "b " * 90, long),) * 3)
    write_report(Document("T" * 300, long, (Paragraph(long), table, Code(long))), tmp_path / "a.pdf", force=False)
    assert len(wide) > 30
    assert max(wide) <= pages.PAGE[0] - pages.LEFT + 0.02


def test_a_text_is_as_wide_as_matplotlib_draws_it():
    from matplotlib.textpath import TextPath

    text = "Implicit representations WAVE 0.123"
    path = TextPath((0, 0), text, size=10)
    assert pages.text_width(text, 10) * 72 == pytest.approx(path.get_extents().xmax, rel=0.02)


def test_a_wrapped_command_is_the_same_command():
    import shlex

    words = ["fit", "my file.mrc", "-o", "out.dinr", *(word for i in range(12) for word in ("--set", f"name{i}={i}.5"))]
    text = wrapped(words)
    assert max(map(len, text.splitlines())) < 100
    assert "--set \\" not in text
    assert shlex.split(text.replace("\\\n", " ")) == ["dinr-studio", *words]


@pytest.mark.parametrize("key", list(WORKS))
def test_every_work_has_an_entry_for_bibtex(key):
    entry = WORKS[key].bibtex
    assert entry.startswith(f"@{WORKS[key].kind}{{{key},")
    assert entry.count("{") == entry.count("}")
    assert WORKS[key].title in WORKS[key].text


def test_only_the_parts_that_were_used_are_cited():
    static = FitConfig(field=FieldConfig(family="ffnet", embedding="fourier"))
    assert cited(static) == ("park2025dinr", "tancik2020fourier", "loshchilov2019adamw")
    training = TrainingConfig(optimiser="muon", kinetic_weight=0.1)
    dynamical = FitConfig(field=FieldConfig(family="dinr-siren", integrator="dopri5"), training=training)
    found = cited(dynamical, "jacot2018ntk")
    assert {"chen2018neuralode", "sitzmann2020siren", "dormand1980family", "finlay2020train", "jordan2024muon"} <= set(
        found
    )
    assert found[-1] == "jacot2018ntk"


def test_names_that_are_no_report_s_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"report\.txt is no report's name; end it in \.html or \.pdf"):
        check_report([tmp_path / "a.dinr"], tmp_path / "report.txt")
    with pytest.raises(ConfigError, match="13 runs were named"):
        check_report([tmp_path / "a.dinr"] * 13, tmp_path / "report.html")
