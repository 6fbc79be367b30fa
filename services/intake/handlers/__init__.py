"""What intake does: receives events, tells their status, keeps up with the directory and with decisions."""
