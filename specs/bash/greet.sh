# $1 is the event; what is written to stdout is the answer, what is written to stderr is in the log.
handle() {
    [[ $1 =~ \"name\":\ *\"([^\"\\]*)\" ]] || { echo "the event has no name" >&2; return 1; }
    printf '{"message":"%s, %s!"}' "$GREETING" "${BASH_REMATCH[1]}"
}
