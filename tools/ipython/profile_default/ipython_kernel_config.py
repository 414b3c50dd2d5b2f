"""Kernel settings for storing and checking outputs (IPYTHONDIR=tools/ipython)."""

c = get_config()  # noqa: F821
# TensorFlow prints to file descriptor 2 on import and nothing silences it: leave the descriptor
# where it is instead of copying it into a cell's output. Python's own stderr is still captured.
c.IPKernelApp.capture_fd_output = False
