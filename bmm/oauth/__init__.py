"""The OAuth 2.1 authorization server: who may call which server, through which client."""
