"""Other people's released results, read into the tables and the study file that the analysis works on."""
