"""YAML text to Spec: bounded reading, `extends`, the schema, placeholders, rules, one platform's view."""
