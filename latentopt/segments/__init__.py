"""Texts of any length: cut into segments that a codec holds, and put together again."""
