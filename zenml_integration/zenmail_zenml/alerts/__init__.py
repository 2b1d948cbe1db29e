"""Makes alerts from what ZenML knows: run, message, traceback and timeline."""
