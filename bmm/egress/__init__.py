"""The egress gateway: the only way out of a container, one listening socket per allowed destination."""
