"""Help for testing alerts and transports."""
