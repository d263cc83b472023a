"""The one client of a model: what is asked, how the answer is read as it comes, and what it may cost."""
