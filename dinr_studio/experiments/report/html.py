"""A report as one page of HTML that stands alone: no script, nothing that is loaded from anywhere, light and dark.

Everything that is written comes through `html.escape`, since names and notes come from files of strangers; pictures are
data in the page itself. The page forbids its reader's browser to load anything else.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

from dinr_studio.errors import plain
from dinr_studio.experiments.figures.style import DOTS_PER_INCH, figure_style
from dinr_studio.experiments.report.document import (
    Block,
    Code,
    Document,
    Heading,
    Paragraph,
    Picture,
    Table,
    drawn,
)

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
CSS = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #59636e; --page: #ffffff; --card: #f6f8fa;
  --line: #d1d9e0; --mark: #fff8c5; --good: #0b6bcb; --warn: #9a3412; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --quiet: #9aa4af; --page: #16191d; --card: #20252b;
  --line: #38404a; --mark: #3d3510; --good: #6cb6ff; --warn: #f0a070; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 54rem; padding: 2rem 1.5rem 4rem; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-top: .6rem; border-top: 2px solid var(--line);
  overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.quiet, figcaption, caption { color: var(--quiet); font-size: .87rem; }
.verdict { font-weight: 600; border-left: 4px solid var(--good); padding-left: .7rem; }
.warning { border-left: 4px solid var(--warn); padding-left: .7rem; }
nav { margin: 1rem 0; } nav a { color: var(--good); margin-right: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; font-size: .87rem; }
caption { caption-side: bottom; text-align: left; padding-top: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .7rem .28rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
thead th { border-bottom: 2px solid var(--line); }
tbody th { font-weight: 500; white-space: nowrap; }
table.numbers td, table.numbers thead th + th { text-align: right; font-variant-numeric: tabular-nums; }
tr.marked td, tr.marked th { background: var(--mark); }
figure { margin: .8rem 0; break-inside: avoid; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px; padding: 6px;
  border: 1px solid var(--line); }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .7rem .9rem;
  font: .82rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print { :root { color-scheme: light; --ink: #000; --quiet: #444; --page: #fff; --card: #f6f8fa; --line: #bbb;
  --mark: #fff4b0; --good: #0b6bcb; --warn: #9a3412; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  h2, h3 { break-after: avoid; } tr, figure { break-inside: avoid; } h2.run { break-before: page; }
  thead { display: table-header-group; } @page { margin: 18mm 16mm; } }
"""


def as_html(document: Document) -> str:
    """The whole page; see above."""
    runs = [block for block in document.blocks if isinstance(block, Heading) and block.level == 1]
    links = "".join(f'<a href="#part{i}">{_text(run.text)}</a>' for i, run in enumerate(runs))
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(document.title)}</title><style>{CSS}</style></head><body>",
        f'<h1>{_text(document.title)}</h1><p class="quiet">{_text(document.subtitle)}</p>',
        f"<nav>{links}</nav>" if len(runs) > 1 else "",
    ]
    number = 0
    for block in document.blocks:
        if isinstance(block, Heading) and block.level == 1:
            parts.append(f'<h2 class="run" id="part{number}">{_text(block.text)}</h2>')
            number += 1
        else:
            parts.append(_block(block))
    return "\n".join([*filter(None, parts), "</body></html>", ""])


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h3>{_text(block.text)}</h3>"
    if isinstance(block, Paragraph):
        role = "" if block.role == "plain" else f' class="{block.role}"'
        return f"<p{role}>{_text(block.text)}</p>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Code):
        return f"<pre>{_lines(block.text)}</pre>"
    return _picture(block)


def _table(table: Table) -> str:
    kind = ' class="numbers"' if table.numbers else ""
    head = ""
    if any(table.columns):
        head = "<thead><tr>" + "".join(f'<th scope="col">{_text(name)}</th>' for name in table.columns)
        head += "</tr></thead>"
    rows = []
    for number, (name, *cells) in enumerate(table.rows):
        mark = ' class="marked"' if number in table.marked else ""
        inside = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
        rows.append(f'<tr{mark}><th scope="row">{_text(name)}</th>{inside}</tr>')
    caption = f"<caption>{_text(table.caption)}</caption>" if table.caption else ""
    return f'<div class="wide"><table{kind}>{caption}{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _picture(picture: Picture) -> str:
    caption = _text(picture.caption)
    return f'<figure><img alt="{caption}" src="{_source(picture)}"><figcaption>{caption}</figcaption></figure>'


def _source(picture: Picture) -> str:
    """A picture as data: drawings as SVG with their letters as outlines, slices as PNG."""
    from matplotlib import rc_context

    image = any(panel.image for panel in picture.panels)
    kind = "png" if image else "svg"
    buffer = io.BytesIO()
    with figure_style(), rc_context({"svg.fonttype": "path", "svg.hashsalt": "dinr-studio"}):
        options: dict[str, Any] = {} if image else {"metadata": {"Date": None, "Creator": None}}
        drawn(picture).savefig(buffer, format=kind, dpi=DOTS_PER_INCH // 2, **options)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{'png' if image else 'svg+xml'};base64,{data}"


def _text(text: str) -> str:
    """A line of text, with nothing in it that is taken for anything else."""
    return escape(plain(text))


def _lines(text: str) -> str:
    """Lines to copy: what a terminal or browser would act on is escaped, and nothing is left out."""
    return escape("".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text))
