# For deploy/sbom.sh: a tree of cargo, `DEPTH|NAME vVERSION ...|LICENCE`, as a CycloneDX document.

function text(it) {
    gsub(/\\/, "\\\\", it)
    gsub(/"/, "\\\"", it)
    return "\"" it "\""
}

# NAME@VERSION of `NAME vVERSION (proc-macro) (/where/it/stands)`.
function reference(package, words) {
    split(package, words, " ")
    sub(/^v/, "", words[2])
    return words[1] "@" words[2]
}

function component(ref, indent, type, scope, at, out) {
    at = index(ref, "@")
    out = indent "\"type\": \"" type "\",\n"
    out = out indent "\"bom-ref\": " text(ref) ",\n"
    out = out indent "\"name\": " text(substr(ref, 1, at - 1)) ",\n"
    out = out indent "\"version\": " text(substr(ref, at + 1))
    if (scope != "") out = out ",\n" indent "\"scope\": \"" scope "\""
    if (ref in checksum) {
        out = out ",\n" indent "\"hashes\": [{ \"alg\": \"SHA-256\", \"content\": \"" checksum[ref] "\" }]"
        out = out ",\n" indent "\"purl\": " text("pkg:cargo/" ref)
    }
    if (licence[ref] != "") out = out ",\n" indent "\"licenses\": [{ \"expression\": " text(licence[ref]) " }]"
    return out "\n"
}

BEGIN {
    # What comes from outside has a checksum in the lock file; ours has none.
    while ((getline line <lock) > 0) {
        if (line == "[[package]]") { name = ""; version = "" }
        else if (split(line, part, "\"") >= 2) {
            if (line ~ /^name = /) name = part[2]
            if (line ~ /^version = /) version = part[2]
            if (line ~ /^checksum = /) checksum[name "@" version] = part[2]
        }
    }
    FS = "|"
    while ((getline line <running) > 0) {
        split(line, part, "|")
        runs[reference(part[2])] = 1
    }
}

{
    ref = reference($2)
    above[$1] = ref
    if (!(ref in seen)) {
        seen[ref] = ++number
        order[number] = ref
        licence[ref] = $3
        sub(/ \(\*\)$/, "", licence[ref])
        # How licences were joined before there was a grammar.
        gsub(/ ?\/ ?/, " OR ", licence[ref])
    }
    if ($1 > 0 && !((above[$1 - 1], ref) in edge)) {
        edge[above[$1 - 1], ref] = 1
        needs[above[$1 - 1]] = needs[above[$1 - 1]] (needs[above[$1 - 1]] == "" ? "" : ", ") text(ref)
    }
}

END {
    if (number < 2) exit 1
    print "{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.5\",\n  \"version\": 1,\n  \"metadata\": {"
    if (moment != "") print "    \"timestamp\": \"" moment "\","
    printf "    \"component\": {\n%s    }\n  },\n  \"components\": [\n", component(order[1], "      ", "application", "")
    for (i = 2; i <= number; i++) {
        scope = (order[i] in runs) ? "required" : "excluded"
        printf "    {\n%s    }%s\n", component(order[i], "      ", "library", scope), (i < number ? "," : "")
    }
    print "  ],\n  \"dependencies\": ["
    for (i = 1; i <= number; i++)
        printf "    { \"ref\": %s, \"dependsOn\": [%s] }%s\n", text(order[i]), needs[order[i]], (i < number ? "," : "")
    print "  ]\n}"
}
