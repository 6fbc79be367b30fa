"""What `tocsin schemas` generates from the code."""
