"""One run: from a volume and settings to a trained field, its score and its run file."""
