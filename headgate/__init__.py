"""Headgate: an NGINX ingress controller for Kubernetes.

*k8s* watches *api* objects, *configuration* decides who owns what, *resolve* gathers what they
point at, *translate* says it in *ir*, *render* writes it, *nginx* applies it, *reporting* tells;
*controller* drives them.
"""

__version__ = "0.1.0"
