"""From judge scores and log-probabilities to the tables that figures and reports draw."""

VERSION = 5
