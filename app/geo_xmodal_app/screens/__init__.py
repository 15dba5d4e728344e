"""The pages: each has `show()`, and reads what it shows from the address and the disk.

A folder called `pages` beside the script would mean something else to Streamlit.
"""
