"""Files that were damaged or made to do harm, through every reader: `python -m tests.fuzz --count 100000`."""
