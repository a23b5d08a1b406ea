"""What is written from the code and the references: each module makes the text of one page."""
