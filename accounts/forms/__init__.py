"""What pages about people take in: parsed, cleaned, and worded where it can't be taken."""
