"""Evaluating a field: on its own voxels, on any grid, in pictures and files."""
