"""What lies on disk is whole, verified and of one process at a time."""
