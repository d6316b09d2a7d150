"""Training T5-VAEs."""
