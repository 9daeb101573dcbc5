"""RPM's formats, for whoever reads or writes them without rpm: given bytes and files in, values out."""
