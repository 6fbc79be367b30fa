"""Plumbing that any process needs, without a word of the domain."""
