"""Objects that Headgate makes for VirtualServers: Certificates of cert-manager, and DNSEndpoints for ExternalDNS.

They are dependents of the VirtualServer (``ownerReferences``): the cluster deletes them with it.
"""
