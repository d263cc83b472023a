"""Drafts: a prompt or a source becomes a spec that a person confirms; every question to a model is kept and none is paid twice."""
