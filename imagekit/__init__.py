"""imagekit: images for AWS Lambda custom runtimes."""

__version__ = "0.1.0"
