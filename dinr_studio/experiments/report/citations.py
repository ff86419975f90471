"""What a report cites: the works whose parts a run is made of, as text and as BibTeX."""

from __future__ import annotations

from dataclasses import dataclass

from dinr_studio.config import FitConfig


@dataclass(frozen=True)
class Work:
    """One published work. kind: BibTeX's, article, inproceedings or misc; where: journal, conference or address."""

    key: str
    kind: str
    authors: str
    title: str
    where: str
    year: int

    @property
    def text(self) -> str:
        """The work in a line."""
        names = self.authors.split(" and ")
        listed = ", ".join(names) if len(names) < 4 else f"{names[0]} et al."
        return f"{listed}: {self.title}. {self.where}, {self.year}."

    @property
    def bibtex(self) -> str:
        """The work as an entry of a BibTeX file."""
        place = {"article": "journal", "inproceedings": "booktitle"}.get(self.kind, "howpublished")
        lines = {"author": self.authors, "title": f"{{{self.title}}}", place: self.where, "year": str(self.year)}
        inside = ",\n".join(f"  {name} = {{{value}}}" for name, value in lines.items())
        return f"@{self.kind}{{{self.key},\n{inside}\n}}"


WORKS = {
    work.key: work
    for work in (
        Work(
            "park2025dinr",
            "misc",
            "Park, Yesom and Kan, Kelvin and Flynn, Thomas and Huang, Yi and Yoo, Shinjae and Osher, Stanley and "
            "Luo, Xihaier",
            "Dynamical Implicit Neural Representations",
            "arXiv:2511.21787",
            2025,
        ),
        Work(
            "chen2018neuralode",
            "inproceedings",
            "Chen, Ricky T. Q. and Rubanova, Yulia and Bettencourt, Jesse and Duvenaud, David",
            "Neural Ordinary Differential Equations",
            "Advances in Neural Information Processing Systems 31",
            2018,
        ),
        Work(
            "sitzmann2020siren",
            "inproceedings",
            "Sitzmann, Vincent and Martel, Julien N. P. and Bergman, Alexander W. and Lindell, David B. and "
            "Wetzstein, Gordon",
            "Implicit Neural Representations with Periodic Activation Functions",
            "Advances in Neural Information Processing Systems 33",
            2020,
        ),
        Work(
            "tancik2020fourier",
            "inproceedings",
            "Tancik, Matthew and Srinivasan, Pratul P. and Mildenhall, Ben and Fridovich-Keil, Sara and "
            "Raghavan, Nithin and Singhal, Utkarsh and Ramamoorthi, Ravi and Barron, Jonathan T. and Ng, Ren",
            "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains",
            "Advances in Neural Information Processing Systems 33",
            2020,
        ),
        Work(
            "mueller2022instant",
            "article",
            "Müller, Thomas and Evans, Alex and Schied, Christoph and Keller, Alexander",
            "Instant Neural Graphics Primitives with a Multiresolution Hash Encoding",
            "ACM Transactions on Graphics 41 (4)",
            2022,
        ),
        Work(
            "saragadam2023wire",
            "inproceedings",
            "Saragadam, Vishwanath and LeJeune, Daniel and Tan, Jasper and Balakrishnan, Guha and "
            "Veeraraghavan, Ashok and Baraniuk, Richard G.",
            "WIRE: Wavelet Implicit Neural Representations",
            "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            2023,
        ),
        Work(
            "mildenhall2020nerf",
            "inproceedings",
            "Mildenhall, Ben and Srinivasan, Pratul P. and Tancik, Matthew and Barron, Jonathan T. and "
            "Ramamoorthi, Ravi and Ng, Ren",
            "NeRF: Representing Scenes as Neural Radiance Fields for View Synthesis",
            "European Conference on Computer Vision",
            2020,
        ),
        Work(
            "finlay2020train",
            "inproceedings",
            "Finlay, Chris and Jacobsen, Jörn-Henrik and Nurbekyan, Levon and Oberman, Adam M.",
            "How to Train Your Neural ODE: the World of Jacobian and Kinetic Regularization",
            "International Conference on Machine Learning",
            2020,
        ),
        Work(
            "dormand1980family",
            "article",
            "Dormand, John R. and Prince, Peter J.",
            "A Family of Embedded Runge-Kutta Formulae",
            "Journal of Computational and Applied Mathematics 6 (1)",
            1980,
        ),
        Work(
            "jordan2024muon",
            "misc",
            "Jordan, Keller and Jin, Yuchen and Boza, Vlado and You, Jiacheng and Cesista, Franz and Newhouse, Laker "
            "and Bernstein, Jeremy",
            "Muon: An Optimizer for Hidden Layers in Neural Networks",
            "kellerjordan.github.io/posts/muon",
            2024,
        ),
        Work(
            "loshchilov2019adamw",
            "inproceedings",
            "Loshchilov, Ilya and Hutter, Frank",
            "Decoupled Weight Decay Regularization",
            "International Conference on Learning Representations",
            2019,
        ),
        Work(
            "jacot2018ntk",
            "inproceedings",
            "Jacot, Arthur and Gabriel, Franck and Hongler, Clément",
            "Neural Tangent Kernel: Convergence and Generalization in Neural Networks",
            "Advances in Neural Information Processing Systems 31",
            2018,
        ),
        Work(
            "wang2004ssim",
            "article",
            "Wang, Zhou and Bovik, Alan C. and Sheikh, Hamid R. and Simoncelli, Eero P.",
            "Image Quality Assessment: From Error Visibility to Structural Similarity",
            "IEEE Transactions on Image Processing 13 (4)",
            2004,
        ),
        Work(
            "rosenthal2003optimal",
            "article",
            "Rosenthal, Peter B. and Henderson, Richard",
            "Optimal Determination of Particle Orientation, Absolute Hand, and Contrast Loss in Single-Particle "
            "Electron Cryomicroscopy",
            "Journal of Molecular Biology 333 (4)",
            2003,
        ),
    )
}
BY_EMBEDDING = {
    "siren": "sitzmann2020siren",
    "fourier": "tancik2020fourier",
    "hashgrid": "mueller2022instant",
    "wire": "saragadam2023wire",
    "positional": "mildenhall2020nerf",
}


def cited(config: FitConfig, *also: str) -> tuple[str, ...]:
    """Keys of the works whose parts a field and its training are made of, in the order of the method; also: others."""
    field, training = config.field, config.training
    dynamical = field.family.startswith("dinr-")
    keys = ["park2025dinr"]
    if dynamical:
        keys.append("chen2018neuralode")
    keys.append(BY_EMBEDDING.get(field.embedding, ""))
    if field.family.endswith("siren"):
        keys.append("sitzmann2020siren")
    if dynamical and field.integrator == "dopri5":
        keys.append("dormand1980family")
    if dynamical and training.kinetic_weight > 0:
        keys.append("finlay2020train")
    if training.optimiser == "muon":
        keys.append("jordan2024muon")
    keys.append("loshchilov2019adamw")
    return tuple(dict.fromkeys(key for key in (*keys, *also) if key in WORKS))
