"""Containers of a Docker engine, or of one that speaks its API: what packages and builds that need a real one use."""
