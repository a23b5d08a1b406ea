"""References of experiments as BibTeX."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bnexp.cli.main import cli
from bnexp.config.bibliography import bibtex, citation_key
from bnexp.config.experiment import Reference


def reference(**parts):
    given = {"authors": ["A. Author"], "title": "On it", "year": 2015, **parts}
    places = {"doi", "arxiv", "isbn", "url"} & given.keys()
    return Reference.model_validate(given if places else {**given, "url": "https://a.org"})


def fields(entry):
    """The fields of one entry, as a reader of BibTeX finds them by its braces."""
    head, body = re.fullmatch(r"@(\w+)\{([\w-]+),\n(.*)\}", entry, re.S).group(2, 3)
    found, i = {}, 0
    while match := re.compile(r"\s*(\w+) = \{").match(body, i):
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(body[end], 0)
            end += 1
        found[match[1]] = body[match.end() : end - 1]
        assert body[end] == ","
        i = end + 1
    assert body[i:].strip() == ""
    return head, found


def test_an_article_at_arxiv():
    text = bibtex(
        [
            reference(
                authors=["Sergey Ioffe", "Christian Szegedy"],
                title="Batch Normalization: Accelerating",
                venue="ICML",
                arxiv="1502.03167",
            )
        ]
    )
    assert text.startswith("@misc{ioffe2015batch,\n")
    assert fields(text)[1] == {
        "author": "Sergey Ioffe and Christian Szegedy",
        "title": "{Batch Normalization: Accelerating}",
        "year": "2015",
        "howpublished": "ICML",
        "eprint": "1502.03167",
        "archiveprefix": "arXiv",
    }


def test_a_book_and_its_publisher():
    text = bibtex([reference(venue="O'Reilly & Co.", isbn="978-4-87311-758-4")])
    assert text.startswith("@book{author2015it,\n")
    found = fields(text)[1]
    assert (found["publisher"], found["isbn"]) == (r"O'Reilly \& Co.", "978-4-87311-758-4")


@pytest.mark.parametrize(
    ("authors", "expected"),
    [
        (["Ann Onym", "et al."], "Ann Onym and others"),
        (["Sonne and Mond Ltd", "B. C"], "{Sonne and Mond Ltd} and B. C"),
        (["King, Jr., Martin"], "King, Jr., Martin"),
        (["Saitoh, Koki", "Ann Onym"], "Saitoh, Koki and Ann Onym"),
        (["CS231n, Stanford University"], "{CS231n, Stanford University}"),
        (["Sonne & Mond"], r"{Sonne \& Mond}"),
        (["Andrew Ilyas", "Roland Vollgraf"], "Andrew Ilyas and Roland Vollgraf"),
        (["Ferdinand Alexander"], "Ferdinand Alexander"),
    ],
)
def test_names_are_parted_by_and(authors, expected):
    assert fields(bibtex([reference(authors=authors)]))[1]["author"] == expected


def test_the_same_publication_stands_once_and_others_have_other_keys():
    first = reference(doi="10.1000/ABC")
    again, other = reference(doi="10.1000/abc", title="On It"), reference(url="https://b.org")
    text = bibtex([first, again, other, first])
    assert re.findall(r"@misc\{([\w-]+),", text) == ["author2015it", "author2015it-2"]
    assert bibtex([]) == ""


def test_of_two_references_to_a_publication_the_one_that_says_more_is_printed():
    short, long = reference(arxiv="1502.03167"), reference(arxiv="1502.03167", venue="ICML")
    for order in ((short, long), (long, short)):
        assert fields(bibtex(order))[1]["howpublished"] == "ICML"
    other = reference(arxiv="1502.03167", doi="10.1000/abc", title="First")
    assert fields(bibtex([other, reference(doi="10.1000/ABC")]))[1]["title"] == "{First}"
    books = [reference(isbn=isbn) for isbn in ("978-4-87311-758-4", "9784873117584")]
    assert bibtex(books).count("@book") == 1
    many = reference(authors=["A. Author", "B. Author"], arxiv="1502.03167")
    assert "B. Author" in bibtex([short, many])


@pytest.mark.parametrize("name", ["doi", "url"])
def test_a_brace_in_an_address_does_not_end_the_field(name):
    address = {"doi": "10.1000/a{b}}c", "url": "https://a.org/{b}}c"}[name]
    assert fields(bibtex([reference(**{name: address})]))[1][name] == (
        address.replace("{", "%7B").replace("}", "%7D")
    )


@pytest.mark.parametrize(
    ("author", "title", "key"),
    [
        ("Yann LeCun", "The MNIST database", "lecun2015mnist"),
        ("Günter Klambauer", "Über Netze", "klambauer2015uber"),
        ("Saitoh, Koki", "Deep Learning from Scratch", "saitoh2015deep"),
        ("Laurens van der Maaten", "Visualizing data", "vandermaaten2015visualizing"),
        ("van der Maaten, Laurens", "Visualizing data", "vandermaaten2015visualizing"),
        ("Jascha Sohl-Dickstein", "A theory", "sohl-dickstein2015theory"),
        ("CS231n, Stanford University", "CS231n, assignment 2", "cs231n2015cs231n"),
        ("O'Reilly Japan, Inc.", "The programs", "oreilly2015programs"),
        ("斎藤 康毅", "ゼロから作る", "anonymous2015untitled"),
    ],
)
def test_keys_are_plain_letters(author, title, key):
    assert citation_key(reference(authors=[author], title=title)) == key


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
def test_no_text_breaks_out_of_its_field(text):
    head, found = fields(bibtex([reference(title=text, authors=[text], venue=text)]))
    assert list(found) == ["author", "title", "year", "howpublished", "url"]
    assert re.fullmatch(r"[a-z0-9-]+", head)
    assert not re.search(r"(?<!\\)[&%$#_~^]", found["title"])


def listed(*arguments):
    return CliRunner().invoke(cli, ["list", "--bibtex", *map(str, arguments)])


def test_the_command_prints_those_of_the_named_experiments(small):
    assert listed(small).output == f"% {small}: no references\n"
    part = "{authors: [A. Author], title: On it, year: 2015, url: 'https://a.org'}"
    small.write_text(f"references: [{part}]\n{small.read_text()}")
    result = listed(small, small)
    assert result.exit_code == 0
    assert fields(result.output.strip())[1]["url"] == "https://a.org"
    wrong = small.read_text().replace("year: 2015", "year: soon")
    small.write_text(wrong)
    result = listed(small)
    assert (result.exit_code, "references[0].year" in result.output) == (2, True)
    assert "no experiment of that name" in listed("no_such").output
    both = listed("--verbose")
    assert (both.exit_code, "expected one of them, got both" in both.output) == (2, True)


@pytest.mark.slow
def test_without_a_name_all_shipped_experiments_are_listed():
    result = listed()
    assert result.exit_code == 0
    assert result.output.count("eprint = {1502.03167}") == 1
