"""Chats: prefix and instruction combined, rendered, and tokenised with the place of the response."""
