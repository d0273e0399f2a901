"""The commands, a file each: ``main(arguments)`` returns a status, or a message for status 2.

This room parses, says what went wrong and names the option that mends it; all work is done in
the rooms below, which know of no command line. Nothing is imported until a command is asked
for: ``launch`` must run before what could be missing.

Options come before work: what does the work, and with it JAX, is imported in a command's function
after its options are parsed, so that help and a wrong option take no second and a half.
"""
