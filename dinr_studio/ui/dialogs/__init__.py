"""Dialogs: choosing a dataset, exporting, and help."""
