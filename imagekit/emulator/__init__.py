"""Lambda on this machine: the Runtime API and what stands before it, and the runners that confine a function."""
