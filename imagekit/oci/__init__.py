"""The OCI image specification's nouns, and the seams to the places where images are. No I/O here."""
