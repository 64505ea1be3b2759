"""Who may do what: API keys, roles, and signing in to the pages."""
