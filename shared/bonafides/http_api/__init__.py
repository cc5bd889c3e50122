"""What our HTTP APIs have in common: the application, its problems, its guard, its server, its metrics."""
