"""A whole site in one file, from either kind of database and either place of photos into any other."""
