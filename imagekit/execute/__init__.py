"""Running what was built on this machine: an image made ready, events sent to it, answers compared."""
