"""Pairs of texts, their words and what they differ in; nothing here knows latents."""
