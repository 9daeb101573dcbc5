"""Choosing packages with libsolv, in a process of its own: a crash of the C library ends that process alone."""
