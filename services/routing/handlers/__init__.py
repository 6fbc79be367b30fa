"""What routing does: with events, receipts, what is not handed over, and the directory."""
