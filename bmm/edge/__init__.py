"""The front door: Caddy's configuration and the client that loads it."""
