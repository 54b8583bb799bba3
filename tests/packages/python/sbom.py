"""Whether a file keeps the schema of CycloneDX 1.5, unknown keys refused: the schema of the project itself, which this package brings."""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

with open(sys.argv[1], encoding="utf-8") as file:
    problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(file.read())
if problem is not None:
    sys.exit(str(problem))
print("valid")
