"""The monitor: what happens while a field learns, and what became of other runs."""
