"""What mttjax is timed against, and with what: ``python -m benchmarks`` (see ``__main__``)."""
