"""Sessions of databases: one way to run a query on PostgreSQL, MySQL and SQLite, under limits."""
