"""Results of a study in the formats that other tools read."""
