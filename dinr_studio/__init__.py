"""DINR Studio: continuous neural fields of scientific volumes."""

__version__ = "0.1.0"
