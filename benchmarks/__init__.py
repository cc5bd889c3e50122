"""Measurements that anyone can repeat: `make bench-<name>` writes `results/<name>.json`. See README.md here."""
