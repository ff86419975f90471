"""Judging data and fields: held-out voxels, scores, classical interpolation, spectra, outliers."""
