"""Imports of released measurements of preferences."""
