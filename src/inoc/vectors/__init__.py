"""Directions in a model's activations, made from readings or by others, with the model and site they belong to."""
