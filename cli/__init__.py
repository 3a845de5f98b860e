"""The command line: parsing, printing, progress, and nothing else."""
