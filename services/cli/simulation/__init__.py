"""Scenario files: read, run through the pure core on a virtual clock, compared and shown."""
