"""Reports: what was fitted to what, how, how well, and how to do it again, as one page of HTML or as PDF."""
