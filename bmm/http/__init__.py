"""HTTP: parse, permission, one call, respond."""
