"""Studies: many runs that together answer one question, declared in YAML."""
