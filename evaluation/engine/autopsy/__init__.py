"""When figures look wrong: hypotheses about the interface between model and system are tried, and the one that explains the figures is named.

`outputs` tries them on stored answers alone, `inputs` asks the model again. Neither proves a fault. They say which fault would explain what
is seen, with the figure it would restore.
"""
