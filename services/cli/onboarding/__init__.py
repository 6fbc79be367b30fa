"""What `tocsin endpoint add` does before it asks notify."""
