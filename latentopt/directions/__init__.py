"""Directions: fitted on pairs or on two sets of texts, and applied to other texts."""
