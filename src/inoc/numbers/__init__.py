"""Lists of numbers: prompts that ask for them, the filter of answers, and what tells two files of answers apart."""
