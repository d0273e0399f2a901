"""The paper's table and figures, each kept cell by cell: a kill costs what was at work.

It knows runs, experts and sets by what they answer; none of their files by name. It knows
nothing of options: its messages name settings, experts and folders.
"""
