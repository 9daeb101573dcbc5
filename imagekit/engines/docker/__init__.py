"""The engine `docker`: the base's own package manager, and commands, in a container of the base."""
