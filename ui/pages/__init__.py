"""One file per page: the Struct it prints and the function that renders it."""
