"""The program that reads the code of tools, in a process of its own; it imports the standard library and nothing else."""
