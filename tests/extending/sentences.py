"""A modality of someone else's: sentences whose words are deleted."""

from onlyif import InstancePlayers, Modality


class Sentences(Modality):
    """Texts whose players are their words."""

    def players(self, instance):
        words = instance.split()
        return InstancePlayers(tuple(f"word {number}" for number in range(1, len(words) + 1)), tuple(words))

    def render(self, queries):
        return [
            " ".join(word for word, shown in zip(query.instance.split(), query.shown, strict=True) if shown)
            for query in queries
        ]

    @property
    def hides(self):
        return "Hidden words are deleted."
