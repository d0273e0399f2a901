"""The commands, a file each: ``main(arguments)`` returns a status, or a message for status 2.

This room parses, says what went wrong and names the option that mends it; all work is done in
the rooms below, which know of no command line. Nothing is imported until a command is asked
for: ``launch`` must run before what could be missing.
"""
