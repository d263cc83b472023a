"""The queue and its tasks: wake-ups only; the rows are the truth."""
