"""The benchmark: ours against a plain implementation of the paper, in one run."""
