"""Routing: decides, from the task force's protocol, who is told what, and publishes it."""
