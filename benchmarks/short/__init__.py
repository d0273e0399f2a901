"""``python -m benchmarks.short``: what is to be known of an accelerator, in a few minutes of it.

A part is a process with a time limit; what it finds is written line by line, so that a part which
is stopped loses one line. The order is that of what is worth most.
"""
