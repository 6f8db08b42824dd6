"""Sections of the report on a study of inoculation."""
