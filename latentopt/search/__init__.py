"""Search: what is asked for, what is proposed, and the one run from drafts to the ranked table."""
