"""Threads and processes: forks, and calls with a time limit."""
