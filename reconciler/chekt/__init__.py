"""CHeKT: the API client. The only room that speaks HTTP."""
