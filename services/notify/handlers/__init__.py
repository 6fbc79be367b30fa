"""Use cases: what a batch of records or a request of an agency asks for."""
