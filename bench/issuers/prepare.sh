#!/usr/bin/env bash
# Fetches and builds the issuers that `hallpass-bench issuers` compares with, below the folder that is given (the `tmp/issuers` of a target folder).
# Needs npm, a JDK of 17 or later and Maven. What it does not find is said, and the row of the measurement stays empty.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[[ $# == 1 ]] || { echo "usage: $0 TARGET/tmp/issuers" >&2; exit 64; }
mkdir -p "$1"
into=$(cd "$1" && pwd)
keycloak=26.7.3

if command -v npm > /dev/null; then
    echo "oidc-provider: npm install"
    mkdir -p "$into/oidc-provider"
    cp "$here"/oidc-provider/* "$into/oidc-provider/"
    (cd "$into/oidc-provider" && npm install --no-audit --no-fund --silent)
else
    echo "npm is missing: no oidc-provider" >&2
fi

if command -v mvn > /dev/null; then
    echo "Spring Authorization Server: mvn package"
    mvn -q -f "$here/spring/pom.xml" "-Dhallpass.target=$into/spring" package
    echo "Keycloak $keycloak"
    if [[ ! -e $into/keycloak/bin/kc.sh ]]; then
        mvn -q dependency:copy "-Dartifact=org.keycloak:keycloak-quarkus-dist:$keycloak:tar.gz" "-DoutputDirectory=$into"
        rm -rf "$into/keycloak"
        mkdir "$into/keycloak"
        tar -xzf "$into/keycloak-quarkus-dist-$keycloak.tar.gz" -C "$into/keycloak" --strip-components=1
    fi
    mkdir -p "$into/keycloak/data/import"
    cp "$here/keycloak/realm.json" "$into/keycloak/data/import/internal.json"
else
    echo "mvn is missing: no Spring Authorization Server, no Keycloak" >&2
fi
