"""BuildMyMCPServer: the appliance."""
