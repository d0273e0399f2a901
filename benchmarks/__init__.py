"""What mttjax is timed against, and with what."""
