"""Studies of inoculation: fine-tune behind a prefix, and see how far the unwanted trait still leaks."""
