"""Commands of python -m facet: a module each, with `arguments` and `run`."""
