"""Decisions: what an image will be made of, as values that can be printed, compared and keyed. Pure."""
