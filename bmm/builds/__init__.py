"""The way of a spec to a live version."""
