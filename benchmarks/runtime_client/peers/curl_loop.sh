#!/bin/bash
# A Runtime API client as custom runtimes in bash are taught: two calls of curl for each event.
set -eu
handler() { printf '%s' "$1"; }
root="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
while true; do
    event=$(curl --silent --show-error --location --dump-header "$headers" "$root/next")
    id=$(grep -i '^lambda-runtime-aws-request-id:' "$headers" | tr -d '[:space:]' | cut -d: -f2)
    answer=$(handler "$event")
    curl --silent --show-error --output /dev/null --data-raw "$answer" "$root/$id/response"
done
