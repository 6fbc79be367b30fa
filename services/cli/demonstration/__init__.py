"""The demonstration: one case event end to end, and every claim about it checked as it is made."""
