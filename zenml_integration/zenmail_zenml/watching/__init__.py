"""Watches runs from outside: what happened to a run, and who has been told."""
