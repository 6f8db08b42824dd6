"""Figures of a study of subliminal learning."""
