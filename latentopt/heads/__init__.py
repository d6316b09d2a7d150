"""Heads: differentiable properties of z, fitted on texts with a number each."""
