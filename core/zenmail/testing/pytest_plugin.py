"""The pytest plugin: fixtures for those who test alerts or transports."""
