"""Work that takes longer than a request, kept in the database: any process may go on with it."""
