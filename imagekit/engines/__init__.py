"""What installs packages into a root file system."""
