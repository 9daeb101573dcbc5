"""What lies on disk becomes inputs: host steps are run, folders and files are scanned, facts of bases are read."""
