"""Holds manifests of Kubernetes against the OpenAPI schemas of its versions, unknown keys refused, and prints them as JSON.

    manifests.py VERSION[,VERSION...] FILE...

Kinds that are not of Kubernetes itself have no schema there, and are printed alone.
"""

import json
import sys

import kubernetes_validate
import yaml

documents = []
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as file:
        documents += [document for document in yaml.safe_load_all(file) if document]
problems = []
for document in documents:
    if document["apiVersion"].startswith("monitoring.coreos.com/"):
        continue
    for version in sys.argv[1].split(","):
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            path = ".".join(str(part) for part in error.path)
            problems.append(f"{document['kind']} {document['metadata']['name']}, {version}: {path}: {error.message}")
if problems:
    sys.exit("\n".join(problems))
json.dump(documents, sys.stdout)
