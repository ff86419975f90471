"""The shell: one module for each group of commands, none of which imports torch before it must."""
