"""What somebody hostile, or a broken program, may hand to the product."""
