"""Sources of OAuth 2 access tokens, for transports that log in with one."""
