"""From the ledger's register of duties to plain words."""
