"""What can be said about a spec, about code and about a prompt without running anything: `check_spec`, `check_code`, `scan_text`."""
