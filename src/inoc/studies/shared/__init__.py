"""Pieces that several kinds of study share."""
