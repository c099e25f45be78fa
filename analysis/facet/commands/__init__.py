"""Commands of python3 -m facet: a module each, with `arguments` and `run`."""
