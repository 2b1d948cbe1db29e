"""Mails of real runs, for the pictures of the documentation and the tests on pages."""
