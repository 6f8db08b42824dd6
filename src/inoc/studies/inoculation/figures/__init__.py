"""Figures of studies of inoculation."""
