"""What scoring keeps in PostgreSQL: the log as it was read, states, and results. Pure SQL, no decisions."""
