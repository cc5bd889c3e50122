"""The local stack: Kafka, PostgreSQL and a chain as real processes, for the demo and for the tests.

`resolver.local_stack` decides for each part: an address from the environment, else Docker, else a local process.
"""
