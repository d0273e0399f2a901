"""A page as it is written: its tags, its attributes, the words that a reader sees."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """A page, checked to be well nested.

    Args:
      text: the HTML.
    """

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self._open = [], [], [], []
        self.feed(text)
        assert not self._open

    @property
    def text(self):
        """All words, one space between."""
        return " ".join("".join(self.words).split())

    def of(self, attribute):
        """The values of an attribute, of all tags."""
        return [value for name, value in self.attributes if name == attribute]

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self._open):
            self.words.append(data)
