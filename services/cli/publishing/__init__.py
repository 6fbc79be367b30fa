"""Putting packs in force on a running system."""
