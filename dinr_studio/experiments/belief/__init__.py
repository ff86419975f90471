"""Whether to believe a field: spectra, correlation, twin fits, uncertainty, structure."""
