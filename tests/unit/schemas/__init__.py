"""The wire models."""
