"""Sending events as a member system would."""
