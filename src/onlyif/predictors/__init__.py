"""The models f, each behind the one method `predict`."""
