"""Models and tables read from disk, without running code from them."""
