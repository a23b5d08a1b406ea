"""What a reader of a page does and sees, in a few words."""

from __future__ import annotations

CURVES = "return [...document.querySelectorAll('#plot path.curve')].map((p) => p.getAttribute('d'))"


def find(page, selector):
    return page.find_element("css selector", selector)


def finds(page, selector):
    return page.find_elements("css selector", selector)


def texts(page, selector):
    return [element.text for element in finds(page, selector)]


def press(page, selector, *names):
    """Send keys by their names, or a text, to an element."""
    from selenium.webdriver import Keys

    find(page, selector).send_keys(*(getattr(Keys, name, name) for name in names))


def reading(page):
    """The rows of exact values below the explorer's plot."""
    rows = finds(page, "#reading tbody tr")
    return [[network.text for network in row.find_elements("css selector", "td")] for row in rows]


def headings(page):
    return texts(page, ".sortable th button")


def column(page, number):
    """A column of the rows that are shown: exact numbers where it has them."""
    return page.execute_script(
        "return [...document.querySelectorAll('.sortable tbody tr')].filter((r) => !r.hidden)"
        f".map((r) => r.cells[{number}].dataset.value ?? r.cells[{number}].textContent)"
    )
