"""Study and workflow files: what they may say, how they are read, what each stage needs of them."""
