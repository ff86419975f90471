"""Sweeps: many fits to the same data that differ in some settings, and what they say."""
