"""Explanations as one page for a browser, which asks nothing of a network; `document` puts it together."""
