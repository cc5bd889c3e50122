"""Migrations of the schema `attestation`: forward only, one per change."""
