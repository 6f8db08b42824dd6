"""Activations of chats at named sites, as they are or projected onto vectors."""

VERSION = 1
HELP = "read activations of chats at named sites"
