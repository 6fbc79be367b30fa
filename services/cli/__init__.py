"""The `tocsin` command, and the only code that may see every service."""
