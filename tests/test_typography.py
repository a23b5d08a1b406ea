"""Characters that look like ASCII ones: what was meant by each."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from bnexp.typography import (
    _LETTERS,
    ascii_form,
    in_ascii,
    instead,
    is_unseen,
    look_alike_hint,
    named,
)

EVERY = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def test_ascii_has_no_look_alikes():
    assert {ascii_form(letter) for letter in EVERY if letter.isascii()} == {None}


def test_forms_are_ascii_and_single():
    forms = {form for letter in EVERY if (form := ascii_form(letter)) is not None}
    assert all(form.isascii() and len(form) <= 1 for form in forms)
    assert set(" -:,.[]{}'\"#&*!|>%@`0123456789") <= forms


def test_forms_agree_with_unicodes_own():
    """Compatibility forms of single characters, where Unicode has one for a look-alike."""
    for letter in EVERY:
        own = unicodedata.normalize("NFKC", letter)
        if ascii_form(letter) is not None and own.isascii() and own.strip() and len(own) == 1:
            assert ascii_form(letter) == own, named(letter)


def test_spaces_and_unseen_characters_are_all_found():
    for letter in EVERY:
        if unicodedata.category(letter) == "Zs" and letter != " ":
            assert is_unseen(letter)
            assert ascii_form(letter) == " "
    assert all(ascii_form(letter) == "" for letter in "\u200b\u2060\ufeff\u00ad\u200e\u202e")


@pytest.mark.parametrize(
    "text", ["Größe", "初期値", "배치", "नॉर्म", "می\u200cشود", "👨\u200d🔬", "a±b"]
)
def test_words_of_any_script_have_none(text):
    assert in_ascii(text) == text
    assert look_alike_hint(text) == ""


@pytest.mark.parametrize("text", ["модель", "η", "naïve", "эпохи", "Ωmega"])
def test_letters_of_words_in_greek_and_cyrillic_are_no_look_alikes(text):
    assert look_alike_hint(text) == ""


def test_greek_and_cyrillic_letters_in_latin_words_are_named():
    for letter, latin in _LETTERS.items():
        name = unicodedata.name(letter)
        assert name.startswith(("GREEK", "CYRILLIC"))
        assert latin.isupper() == (" CAPITAL " in name)
        assert look_alike_hint(f"k{letter}nd") == (
            f"character 2 is a {named(letter)}, write {latin!r}"
        )


def test_digits_of_every_script_are_those_of_ascii():
    digits = [letter for letter in EVERY if unicodedata.category(letter) == "Nd"]
    assert len(digits) > 600
    assert all(int(letter) == int(in_ascii(letter)) for letter in digits)


def test_the_hint_names_the_first():
    assert look_alike_hint("a\u3000\uff1ab") == (
        "character 2 is an ideographic space (U+3000), write a space"
    )
    assert [instead(letter) for letter in "\uff1a\u2212\u200b"] == [
        "write ':' and a space",
        "write '-'",
        "remove it",
    ]
