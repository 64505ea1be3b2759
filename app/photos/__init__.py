"""Photos: reading, quality, decoding in processes apart, their rows, bytes and thumbnails."""
