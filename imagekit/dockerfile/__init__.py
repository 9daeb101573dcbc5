"""Dockerfiles: what an image is for other builders, and what theirs is for imagekit."""
