"""Kinds of study, one package each."""
