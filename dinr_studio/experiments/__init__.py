"""Experiments: many runs, measured and compared."""
