"""Work on a whole site: backup and restore, check, moving the bytes of photos."""
