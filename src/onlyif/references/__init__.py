"""The distributions V that say what a hidden player is replaced by."""
