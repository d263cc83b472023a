"""What runs inside a server's container: the guard and the tools. Imports nothing of `bmm`."""
