"""The places images come from and go to: registries, image layouts, archives, a Docker engine, the cache."""
