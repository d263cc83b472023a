"""Contract tests of a candidate: every tool is called, and a recorder stands where the API would be."""
