"""Files of other tools: benchmark results, traces and cluster configs in, deployment manifests out."""
