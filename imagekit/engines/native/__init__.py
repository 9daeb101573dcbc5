"""The native engine: packages resolved by libsolv and unpacked here, without a container."""
