"""The database: nobody else knows which one it is."""
