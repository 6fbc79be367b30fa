"""Channels: each tries once and says how it ended. They know neither the database nor the schedule."""
