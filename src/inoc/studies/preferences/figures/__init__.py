"""Figures of a study of preferences."""
