"""Secrets taken out of texts and values."""
