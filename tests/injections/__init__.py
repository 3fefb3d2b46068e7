"""One malicious object for each class of injection that ingress-nginx had, through the pipeline and to nginx."""
