"""From the ledger's view of a decision to plain words."""
