#!/usr/bin/env python3
"""check_html.py PAGE...: is each page well formed, self-contained and without anything that runs?

Tags must nest; ids must be unique; links and labels must find their ids; there may be no script, no handler, no
address outside the page; headings must not skip a level; tables must have header cells; images must be named."""
import sys
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
FORBIDDEN = {"script", "iframe", "object", "embed", "img", "image", "foreignobject", "animate", "set", "form", "base",
             "link"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.wanted, self.faults, self.level = [], set(), [], [], 0
        self.headers, self.text = [], []

    def fault(self, message):
        line, column = self.getpos()
        self.faults.append(f"{line}:{column}: {message}")

    def handle_starttag(self, tag, attrs):
        self.begin(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.begin(tag, attrs)

    def begin(self, tag, attrs):
        if tag in FORBIDDEN:
            self.fault(f"<{tag}>")
        if tag in ("h1", "h2", "h3", "h4"):
            if int(tag[1]) > self.level + 1:
                self.fault(f"{tag} after h{self.level}")
            self.level = int(tag[1])
        if tag == "table":
            self.headers.append(0)
        if tag == "th" and self.headers:
            self.headers[-1] += 1
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.fault(f"<{tag}> has an attribute twice")
        for name, value in attrs:
            self.attribute(tag, name, value or "")
        if tag == "svg" and "aria-labelledby" not in names and "aria-hidden" not in names:
            self.fault("a drawing without a name")

    def attribute(self, tag, name, value):
        if name.startswith("on") or name == "style":
            self.fault(f"<{tag} {name}>")
        if name == "id":
            if value in self.ids:
                self.fault(f"id {value} twice")
            self.ids.add(value)
        if name in ("href", "xlink:href") and value.startswith("#"):
            self.wanted.append(value[1:])
        elif name in ("href", "xlink:href", "src") and not value.startswith("./"):
            self.fault(f"<{tag} {name}={value[:60]}>")
        if name == "aria-labelledby":
            self.wanted += value.split()
        if "url(" in value or "javascript:" in value.lower() and name != "title":
            self.fault(f"<{tag} {name}={value[:60]}>")

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.fault(f"</{tag}> closes {self.open[-1:]}")
            return
        self.open.pop()
        if tag == "table" and self.headers.pop() == 0:
            self.fault("a table without header cells")

    def handle_comment(self, data):
        self.fault("a comment")

    def handle_data(self, data):
        if any(ord(c) < 32 and c not in "\n\t" for c in data):
            self.fault("a control character")


def check(path):
    page = Page()
    with open(path, encoding="utf-8") as f:
        text = f.read()
    page.feed(text)
    page.close()
    if page.open:
        page.fault(f"never closed: {page.open}")
    for wanted in page.wanted:
        if wanted not in page.ids:
            page.fault(f"no id {wanted}")
    if not text.startswith("<!doctype html>"):
        page.fault("no doctype")
    return page.faults


def main():
    bad = False
    for path in sys.argv[1:]:
        for fault in check(path)[:10]:
            print(f"{path}:{fault}")
            bad = True
    sys.exit(bad)


main()
