"""Tables for figures and reports, computed from judge scores and log-probabilities."""

VERSION = 5
