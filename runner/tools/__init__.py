"""The kinds of tools: what each sends and how an answer becomes text for a model."""
