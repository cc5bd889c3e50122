"""Our own processes on the local stack: prepared, started, killed and watched, for the demo and for the tests."""
