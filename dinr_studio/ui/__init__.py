"""The window. It shows what the core computes; it imports no torch, and nothing here waits for a disk or a network."""
