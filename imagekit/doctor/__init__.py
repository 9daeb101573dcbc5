"""What this machine lacks for a spec, and how to get it: toolchains, runners, hosts and the credentials for them."""
