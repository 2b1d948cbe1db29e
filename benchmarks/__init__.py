"""Measures zenmail beside its peers: ``python -m benchmarks``."""
