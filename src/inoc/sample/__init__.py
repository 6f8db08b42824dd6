"""Completions of a model and its adapters: questions, asked in several ways, and the tables of their answers.

Not a verb by itself: kinds of study declare stages of their own that sample.
"""
