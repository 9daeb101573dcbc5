"""What tests stand on: an in-process registry, real tools, and images made on the spot."""
