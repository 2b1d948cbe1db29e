"""Alerts made of what ZenML knows: run, message, traceback, timeline."""
