"""The inspector's pages: Jinja2 templates, plain ES modules and CSS, nothing loaded from another site."""
