"""Directions in a model's activations: made from readings, or by others, with what they belong to beside them."""
