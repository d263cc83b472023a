"""Requests that no honest client sends, made from a seed, against a real guard: `make fuzz`."""
