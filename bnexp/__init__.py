"""bnexp."""
