"""Imports of released results about subliminal learning and persona vectors."""
