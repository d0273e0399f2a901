"""The papers: pure functions of arrays. Nothing here opens a file or reads a setting."""
