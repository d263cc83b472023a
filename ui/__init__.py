"""Server-rendered pages: plain HTML first."""
