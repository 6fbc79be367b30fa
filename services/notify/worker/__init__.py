"""Attempts, one after another and many at once: lanes, retries, results and receipts."""
