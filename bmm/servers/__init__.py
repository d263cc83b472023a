"""Addresses, containers and what makes them true."""
