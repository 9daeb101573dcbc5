"""`python -m imagekit` is the same as `imagekit`."""

from imagekit.cli import main

if __name__ == "__main__":
    main()
