"""RPM databases: what is installed. Read in both forms that bases have, written in the newer one."""
