"""Open-loop load through the whole path, with an arrival check: see docs/performance.md."""
