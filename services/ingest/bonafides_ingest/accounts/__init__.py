"""What addresses are: who owns a proxy, a Safe or an urn, and which addresses are contracts or gateways."""
