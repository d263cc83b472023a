"""The guard: the trusted process that answers at `/mcp` inside a server's container."""
