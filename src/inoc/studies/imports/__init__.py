"""Imports of released results, for every kind of study."""
