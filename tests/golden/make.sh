#!/bin/sh
# Makes the golden files of one version: EXECUTABLE is its `hallpass`, FOLDER is where they go, tests/golden/COMMIT.
#
# A store with a past, and facts.json, which says what must still be so. Where that version knows `hallpass store`, a backup and, with a
# PostgreSQL at DATABASE (postgres://user:password@host:port/name, empty, with pg_dump in the path), a dump of that too. Needs curl.
set -eu
[ $# -eq 2 ] || { echo "usage: make.sh EXECUTABLE FOLDER" >&2; exit 64; }
hallpass=$(realpath "$1")
mkdir -p "$2"
cd "$2"
rm -f issuer.sqlite*
at=127.0.0.1:19400

cat >service-auth.yaml <<'YAML'
hallpass:
  issuer:
    listen: 127.0.0.1:19400
    store: issuer.sqlite
    # Of these files alone: it seals nothing else.
    key-encryption-key: a key of golden files, which protects nothing
    token-life-seconds: 3600
    ca: { trust-domain: golden.example }
YAML
add() {
    printf '%s\n' "$2" >client.yaml
    added=$("$hallpass" client add --from-file client.yaml --config service-auth.yaml)
    rm client.yaml
    printf '%s\n' "$added" | sed -n 's/^client-secret: *//p'
}
form() { curl --silent --show-error --fail "http://$at/oauth2/token" --user "$1:$2" --data "$3"; }
member() { sed 's/.*"'"$1"'":"\([^"]*\)".*/\1/'; }
token() { form "$1" "$2" 'grant_type=client_credentials&audience=stock' | member access_token; }
id_of() { "$hallpass" token inspect - | sed 's/.*"jti":"\([^"]*\)".*/\1/'; }
kid_of() { "$hallpass" token inspect - | sed 's/.*"kid":"\([^"]*\)".*/\1/'; }
administer() { "$hallpass" "$@" --config service-auth.yaml; }

: >said
"$hallpass" issuer --config service-auth.yaml >>said 2>log &
issuer=$!
trap 'kill $issuer 2>/dev/null || true' EXIT
until grep -q '^listening on' said; do sleep 0.1; done
first=$(sed -n 's/^ *client secret *//p' said)
batch=$(add batch 'hallpass: { issuer: { clients: [{ client-id: batch, audiences: [stock], scopes: [stock.read] }] } }')
caught=$(add caught 'hallpass: { issuer: { clients: [{ client-id: caught, audiences: [stock] }] } }')
web=$(add web 'hallpass: { issuer: { clients: [{ client-id: web, audiences: [stock], grant-types: [client_credentials, refresh_token] }] } }')
gone=$(add gone 'hallpass: { issuer: { clients: [{ client-id: gone, audiences: [stock] }] } }')
add report 'hallpass: { issuer: { clients: [{ client-id: report, audiences: [stock], grant-types: [client_credentials, "urn:ietf:params:oauth:grant-type:token-exchange"], dpop-bound-access-tokens: true, exchange: [{ subject-kinds: [user], targets: [stock], scopes: ["orders:read"] }] }] } }' >/dev/null
sleep 1
retired=$(token batch "$batch")
administer key rotate --now >/dev/null
sleep 1
tainted=$(token batch "$batch")
administer key rotate --now >/dev/null
sleep 1
good=$(token batch "$batch")
revoked=$(token batch "$batch")
of_caught=$(token caught "$caught")
refresh=$(form web "$web" 'grant_type=client_credentials&audience=stock' | member refresh_token)
administer revoke --token-id "$(printf %s "$revoked" | id_of)" >/dev/null
administer revoke --client caught --only-issued >/dev/null
administer key taint "$(printf %s "$tainted" | kid_of)" >/dev/null
administer client remove gone >/dev/null
administer key rotate >/dev/null
sleep 1
kids=$(curl --silent "http://$at/oauth2/jwks" | tr '{' '\n' | sed -n 's/.*"kid":"\([^"]*\)".*/"\1"/p' | sort | paste -sd,)
entries=$(curl --silent "http://$at/oauth2/revocations" | tr '{' '\n' | grep -c '"digest"')
"$hallpass" ca bundle --config service-auth.yaml >bundle.pem
kill $issuer
wait $issuer || true
trap - EXIT
cat >facts.json <<JSON
{
  "at": $(date +%s),
  "clients": { "internal-service-client": "$first", "batch": "$batch", "caught": "$caught", "web": "$web" },
  "gone": "$gone",
  "kids": [$kids],
  "entries": $entries,
  "good": "$good",
  "retired": "$retired",
  "tainted": "$tainted",
  "revoked": "$revoked",
  "of_caught": "$of_caught",
  "refresh": "$refresh"
}
JSON
rm -f said log
if "$hallpass" store --help >/dev/null 2>&1; then
    rm -f backup
    administer store backup backup
    if [ -n "${DATABASE:-}" ]; then
        rest=${DATABASE#postgres://}
        credentials=${rest%%@*}
        sed -e "s|store: issuer.sqlite|database: { url: 'postgres://${rest#*@}', username: '${credentials%%:*}', password: '${credentials#*:}' }|" service-auth.yaml >database.yaml
        "$hallpass" store restore backup --config database.yaml
        pg_dump --inserts --no-owner --no-privileges "$DATABASE" | grep -v -e '^--' -e '^$' -e '^\\' >postgres.sql
        rm -f database.yaml
    fi
fi
rm -f issuer.sqlite.lock issuer.sqlite.issuer
