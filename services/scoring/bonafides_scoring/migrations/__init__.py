"""Migrations of the schema `scoring`: forward only, one per change."""
