"""Chats: how a prefix meets an instruction, how a chat is rendered, and which tokens are the response."""
