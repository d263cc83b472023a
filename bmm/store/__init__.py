"""SQL and nothing but SQL: one file per table family, migrations appended."""
