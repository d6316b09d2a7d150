"""Texts that nobody searched for: samples, interpolations, paraphrases, and how they are made valid."""
