"""The rate-distortion figure: PSNR against compression ratio, fields and codecs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dinr_studio.experiments.figures.style import (
    BLUE,
    BROWN,
    COLUMN,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    figure_style,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.compression.rate_distortion import RateDistortion

HIGHEST = 300.0  # dB: what is without loss stands at no place of the plot
FIELDS = {"32": ":", "16": "-.", "8": "--", "6": (0, (1, 1)), "steps": "-"}  # lines, by the word that follows `field,`
CODECS = {
    "zfp": (ORANGE, "s"),
    "SZ3": (GREEN, "^"),
    "SPERR": (RED, "v"),
    "JPEG 2000": (BROWN, "P"),
    "DCT, largest": (PURPLE, "D"),
    "DCT, low-pass": (PURPLE, "x"),
    "Blosc, rounded": ("#666666", "."),
    "Blosc, lossless": ("#666666", "*"),
}


def compression_figure(study: RateDistortion) -> Figure:
    """PSNR in dB against the ratio of bytes, to a logarithmic scale; each curve is a method's best points."""
    with figure_style():
        figure = new_figure(2 * COLUMN, 3.4)
        axes: Any = figure.add_subplot()
        for method in study.methods:
            lossy = [point for point in study.curve(method) if point.psnr < HIGHEST]
            if lossy:
                xs, ys = [point.ratio for point in lossy], [point.psnr for point in lossy]
                axes.plot(xs, ys, label=method, **look_of(method))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda ratio, _: f"{ratio:g}")
        axes.set_xlabel(f"ratio of the raw values ({study.raw_bytes:,} bytes of {study.raw_type}) to all bytes kept")
        axes.set_ylabel("PSNR (dB)")
        axes.grid(which="both", linewidth=0.3, alpha=0.5)
        fits = "" if study.seconds is None else f", {study.seconds:g} s for each fit"
        axes.set_title(f"{study.name}: {study.voxels:,} voxels decoded and compared{fits}")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return figure


def look_of(method: str) -> dict[str, Any]:
    """How a method is drawn: colour, marker and line."""
    if method.startswith("field"):
        word = method.removeprefix("field, ").split(" ")[0]
        return {"color": BLUE, "marker": "o", "markersize": 3, "linestyle": FIELDS.get(word, "-"), "linewidth": 1.6}
    colour, marker = CODECS.get(method, ("black", "+"))
    return {"color": colour, "marker": marker, "markersize": 3, "linewidth": 0.9}
