"""The Model Context Protocol as data: messages in, replies out, no sockets."""
