"""The dashboard and the alerts: declared once, written in the formats of Grafana, Prometheus and its Operator."""
