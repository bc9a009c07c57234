"""What the GitHub Action adds to the command line: comment, issue, summary, annotations, outputs.

``python -I -m reconciler.github`` is one step of a job. It runs the command line in a process of its own
(its output is foreign text here), reads the JSON it prints, and tells GitHub about it.
"""
