"""The commands that speak to a server over its API, through `web.client`; they know no database."""
