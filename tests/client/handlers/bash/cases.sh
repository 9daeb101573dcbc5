# Events are texts: what a case asks for is found by its name.
number() {
    local text=${1#*\"$2\": }
    printf '%s' "${text%%[!0-9]*}"
}

member() {
    local text=${1#*\"$2\": \"}
    text=${text%%\", *}
    text=${text%\"\}}
    printf '%s' "${text//\\\"/\"}"
}

quoted_or_null() {
    if [[ ${1-} ]]; then printf '"%s"' "$1"; else printf null; fi
}

same() { printf '%s' "$1"; }

context() {
    printf '{"id": "%s", "arn": %s, ' "$LAMBDA_RUNTIME_AWS_REQUEST_ID" "$(quoted_or_null "${LAMBDA_RUNTIME_INVOKED_FUNCTION_ARN-}")"
    printf '"trace": %s, "tenant": %s, ' "$(quoted_or_null "${_X_AMZN_TRACE_ID-}")" "$(quoted_or_null "${LAMBDA_RUNTIME_AWS_TENANT_ID-}")"
    printf '"client_context": %s, ' "${LAMBDA_RUNTIME_CLIENT_CONTEXT:-null}"
    printf '"cognito": %s, ' "${LAMBDA_RUNTIME_COGNITO_IDENTITY:-null}"
    printf '"function": "%s", "version": "%s", ' "$AWS_LAMBDA_FUNCTION_NAME" "$AWS_LAMBDA_FUNCTION_VERSION"
    printf '"memory": "%s", "remaining": %d}' "$AWS_LAMBDA_FUNCTION_MEMORY_SIZE" "$(lambda_remaining)"
}

fail() {
    if [[ $1 == *'"message"'* ]]; then
        lambda_error Broken "$(member "$1" message)"
        return 1
    fi
    printf fine
}

leave() {
    if [[ $1 != *'"code"'* ]]; then
        printf here
        return
    fi
    printf 'leaving on purpose\n' >&2
    exit "$(number "$1" code)"
}

killed() {
    if [[ $1 == *'"kill"'* ]]; then kill -KILL "$$"; fi
    printf alive
}

forks() {
    if [[ $1 != *'"code"'* ]]; then
        printf here
        return
    fi
    sleep 60 &
    exit "$(number "$1" code)"
}

hang() {
    while [[ $1 == *'"hang"'* ]]; do sleep 1; done
    printf quick
}

big() { head -c "$(number "$1" size)" /dev/zero | tr '\0' x; }

logs() {
    local line lines=0
    if [[ $1 == *'"lines"'* ]]; then lines=$(number "$1" lines); fi
    printf -v line '%999s' ''
    line=${line// /l}
    while ((lines-- > 0)); do printf '%s\n' "$line" >&2; done
    # stdout is the answer.
    printf '%s\n' "$(member "$1" out)" >&"$lambda_log"
    printf '%s\n' "$(member "$1" err)" >&2
    printf logged
}

whole_range() {
    local byte
    for ((byte = 0; byte < 256; byte++)); do printf "\\x$(printf %02x "$byte")"; done
}

stream() {
    lambda_stream
    lambda_write one
    if [[ $1 == *'"fail"'* ]]; then
        lambda_error Broken 'half way'
        return 1
    fi
    lambda_write two
    lambda_write three
}

web() {
    lambda_http 201 '{"x-test": "yes"}'
    lambda_write made
}
