"""The parts of `make bench`; packaging/bench.py puts them together."""
