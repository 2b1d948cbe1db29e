"""A mail brought to its recipients: one path, one deadline."""
