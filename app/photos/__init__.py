"""Every photo that was kept: its row, its bytes, its thumbnail."""
