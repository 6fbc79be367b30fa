"""The processes of Tocsin, and the plumbing they share."""
