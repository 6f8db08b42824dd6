"""Study and workflow files: their models, their reading and checks, and the slices that stages need."""
