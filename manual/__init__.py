"""Makes the documentation: `python -m manual` writes its generated pages, docs/conf.py the site."""
