# Answers Lambda's events with a Bash function, over frames v1 (docs/frames.md).
#
# _HANDLER is "file.function". The function gets the event as $1 and runs in this shell; what it writes to stdout is
# the answer, byte for byte; stderr is the log, and so is >&"$lambda_log", Lambda's stdout. $1 may have 6 MB, which is
# too much for an argument of another program: jq .name <<<"$1". LAMBDA_RUNTIME_AWS_REQUEST_ID and so on are exported,
# as docs/runtime-client.md has them, and the function has
#   lambda_remaining                      prints the milliseconds that the event has left
#   lambda_error TYPE MESSAGE; return 1   says what the error is; without it, a status other than 0 is an Error
#   lambda_content_type=text/html         says what the answer is
#   lambda_stream [TYPE]                  begins a streamed answer, and so does, for HTTP,
#   lambda_http STATUS [HEADERS]          with headers in JSON; both go on with
#   lambda_write TEXT                     a piece of it
# The function after_restore, if there is one, is called after a SnapStart restore. Under `set -e` a failure ends the
# worker, and a new one is started for the next event. Jobs left in the background must not write to stdout. Names
# that begin with _lambda are the worker's.
_lambda_in=${IMAGEKIT_FDS%,*} _lambda_out=${IMAGEKIT_FDS#*,}
_lambda_stack='' _lambda_calls='' _lambda_outer='' _lambda_failure=() _lambda_id='' _lambda_same=''

exec {lambda_log}>&1

lambda_error() { _lambda_failure=("$1" "${2-}"); }

lambda_remaining() {
    local now=${EPOCHREALTIME-}
    now=${now//[.,]/}
    now=$((${now:-$(date +%s%6N)} / 1000))
    printf '%d\n' "$((now < LAMBDA_RUNTIME_DEADLINE_MS ? LAMBDA_RUNTIME_DEADLINE_MS - now : 0))"
}

lambda_stream() {
    _lambda_encode "${1:-application/octet-stream}"
    _lambda_streams=1
    printf 'STREAM 0 %s %s\n' "$_lambda_id" "$_lambda_text" >&"$_lambda_out"
}

lambda_http() {
    local LC_ALL=C head="{\"statusCode\":$1,\"headers\":${2:-"{}"}}"
    lambda_stream application/vnd.awslambda.http-integration-response
    printf 'DATA %d %s\n%s\0\0\0\0\0\0\0\0' "$((${#head} + 8))" "$_lambda_id" "$head" >&"$_lambda_out"
}

lambda_write() {
    local LC_ALL=C
    printf 'DATA %d %s\n%s' "${#1}" "$_lambda_id" "$1" >&"$_lambda_out"
}

# A field of a frame, in _lambda_text: printable ASCII but % stands as it is.
_lambda_encode() {
    local LC_ALL=C rest=$1 char
    _lambda_text=''
    while [[ $rest ]]; do
        char=${rest:0:1} rest=${rest:1}
        if [[ $char != [[:graph:]] || $char == % ]]; then
            printf -v char %d "'$char"
            printf -v char '%%%02X' "$((char & 255))"
        fi
        _lambda_text+=$char
    done
    case $_lambda_text in
        '') _lambda_text=- ;;
        -) _lambda_text=%2D ;;
    esac
}

# A JSON text, in _lambda_text: a subshell would be slow.
_lambda_quote() {
    local LC_ALL=C text=$1
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    text=${text//$'\t'/\\t}
    _lambda_text="\"${text//[[:cntrl:]]/ }\""
}

# Where a command failed: the functions around it. While its status goes up this is called again, for the call of the
# function that it was called for before.
_lambda_failed() {
    local line=$1 depth=${#FUNCNAME[@]} frame call place
    place="$depth ${FUNCNAME[1]-} $line" call=$_lambda_outer
    _lambda_outer="$((depth - 1)) ${FUNCNAME[2]-} ${BASH_LINENO[1]-}"
    if [[ $place == "$call" ]]; then return 0; fi
    _lambda_stack='' _lambda_calls=''
    for ((frame = 1; frame < depth && frame <= 100; frame++)); do
        if [[ ${BASH_SOURCE[frame]} == "$0" ]]; then break; fi
        call="${FUNCNAME[frame]} (${BASH_SOURCE[frame]}:$line)"
        _lambda_quote "$call"
        _lambda_stack+=${_lambda_stack:+,}$_lambda_text
        _lambda_calls+=$'\n'"    $call"
        line=${BASH_LINENO[frame]}
    done
}

# An error: the frame's type, the id or nothing, errorType, errorMessage.
_lambda_fail() {
    local LC_ALL=C body counted=$3
    printf '%s: %s%s\n' "$3" "$4" "$_lambda_calls" >&2 || :
    _lambda_quote "$3"
    body="{\"errorType\":$_lambda_text"
    _lambda_quote "$4"
    body+=",\"errorMessage\":$_lambda_text,\"stackTrace\":[$_lambda_stack]}"
    if [[ $counted != *.* ]]; then counted=Function.$counted; fi
    if [[ ! $counted =~ ^[A-Z][a-z]+\.[A-Z][A-Za-z]*$ ]]; then counted=-; fi
    printf '%s %d %s%s\n%s' "$1" "${#body}" "${2:+$2 }" "$counted" "$body" >&"$_lambda_out"
    _lambda_id=''
}

_lambda_stop() {
    _lambda_fail INITERR '' "$1" "$2"
    exit 1
}

# A variable that the handler's programs see: unset when the field is absent.
_lambda_export() {
    local text
    case $2 in
        - | '') unset "$1" ;;
        *[%\\]*)
            text=${2//\\/\\\\}
            printf -v "$1" %b "${text//%/\\x}"
            export "${1?}"
            ;;
        *) export "$1=$2" ;;
    esac
}

# The event of this length and type, in _lambda_event; fails where it has NULs, which no variable holds. `read -N`
# leaves them out and waits for as many other bytes: its last bytes are waited for no longer than two seconds. JSON
# has no NULs; all else takes a process.
_lambda_read() {
    local LC_ALL=C rest tail=$(($1 < 16 ? $1 : 16))
    _lambda_event=''
    if (($1 == 0)); then
        return 0
    elif [[ ${2:--} == - || $2 == *json* ]]; then
        if (($1 > tail)); then IFS= read -r -N "$(($1 - tail))" -u "$_lambda_in" _lambda_event || exit 0; fi
        IFS= read -r -t 2 -N "$tail" -u "$_lambda_in" rest || :
        _lambda_event+=$rest
        ((${#rest} == tail))
    else
        head -c "$1" <&"$_lambda_in" >"$_lambda_file"
        IFS= read -r -d '' _lambda_event <"$_lambda_file" || :
        ((${#_lambda_event} == $1))
    fi
}

# Answers with what the handler wrote into _lambda_file, which stdout still is. Behind it comes a mark: what is read
# before it ends at a NUL, so that the mark is not what follows when there are NULs in the answer; then its size is in
# /proc.
_lambda_answer() {
    local LC_ALL=C mark="end of $_lambda_id" answer found size type
    _lambda_encode "${lambda_content_type-}"
    type=$_lambda_text
    printf '\0%s\0' "$mark"
    {
        IFS= read -r -d '' answer
        IFS= read -r -d '' found
    } <"$_lambda_file"
    if [[ $found == "$mark" ]]; then
        size=${#answer}
        printf 'OK %d %s %s\n%s' "$size" "$_lambda_id" "$type" "$answer" >&"$_lambda_out"
    else
        IFS=$' \t' read -r _ size </proc/self/fdinfo/1
        size=$((size - ${#mark} - 2))
        printf 'OK %d %s %s\n' "$size" "$_lambda_id" "$type" >&"$_lambda_out"
        head -c "$size" "$_lambda_file" >&"$_lambda_out"
    fi
    if ((size > 1048576)); then : >"$_lambda_file"; fi
}

_lambda_invoke() {
    local _lambda_status
    {
        "$_lambda_function" "$_lambda_event"
        _lambda_status=$?
        if ((_lambda_status)); then
            _lambda_error "$_lambda_function ended with status $_lambda_status"
        elif [[ $_lambda_streams ]]; then
            printf 'END 0 %s\n' "$_lambda_id" >&"$_lambda_out"
        else
            _lambda_answer
        fi
    } 1<>"$_lambda_file"
    _lambda_id=''
}

_lambda_error() {
    local frame=ERR
    if [[ $_lambda_streams ]]; then frame=FAIL; fi
    _lambda_fail "$frame" "$_lambda_id" "${_lambda_failure[0]:-Error}" "${_lambda_failure[1]:-$1}"
}

# Under `set -e` the shell ends where the handler fails; what the handler has said about it is still told.
_lambda_exit() {
    if [[ $_lambda_id && ${_lambda_failure[0]-} ]]; then _lambda_error ''; fi
}

_lambda_function=${_HANDLER##*.} _lambda_source=${LAMBDA_TASK_ROOT:-.}/${_HANDLER%.*}.sh
if [[ $_HANDLER != ?*.?* || $_lambda_function == */* ]]; then
    _lambda_stop Runtime.MalformedHandlerName "the handler '$_HANDLER' is not of the form file.function"
elif [[ ! -f $_lambda_source || ! -r $_lambda_source ]]; then
    _lambda_stop Runtime.ImportModuleError "there is no readable file $_lambda_source"
fi
# A file without a name. It is written over, as cutting it off for every event would be slow on a disk.
_lambda_text=$(mktemp 2>&1) && _lambda_file=$_lambda_text && exec {_lambda_descriptor}<>"$_lambda_file" \
    || _lambda_stop Runtime.InitError "there is no room for answers: $_lambda_text"
rm -f "$_lambda_file"
_lambda_file=/proc/self/fd/$_lambda_descriptor
set -E
trap '_lambda_failed "$LINENO"' ERR
trap _lambda_exit EXIT
source "$_lambda_source" # not in a function: what it declares is global
if (($?)); then
    if [[ ${_lambda_failure[0]-} ]]; then _lambda_stop "${_lambda_failure[@]}"; fi
    _lambda_text=$("$BASH" -n "$_lambda_source" 2>&1) || _lambda_stop Runtime.UserCodeSyntaxError "$_lambda_text"
fi
if ! declare -F "$_lambda_function" >/dev/null; then
    _lambda_stop Runtime.HandlerNotFound "$_lambda_source has no function $_lambda_function"
fi
printf 'READY 0\n' >&"$_lambda_out"
while IFS=' ' read -r -u "$_lambda_in" _lambda_type _lambda_length _lambda_id _lambda_deadline _lambda_arn \
    _lambda_trace _lambda_tenant _lambda_cognito _lambda_client _lambda_content _; do
    _lambda_stack='' _lambda_calls='' _lambda_outer='' _lambda_failure=() _lambda_streams='' lambda_content_type=''
    if ! _lambda_read "$_lambda_length" "$_lambda_content"; then
        printf 'BYE 0\n' >&"$_lambda_out" # before the error, which makes room for another event
        _lambda_fail ERR "$_lambda_id" Runtime.UnmarshalError 'the event has NUL bytes, which a shell cannot hold'
        exit 1 # what is left of it could be taken for frames
    elif [[ $_lambda_type == INVOKE ]]; then
        _lambda_export LAMBDA_RUNTIME_AWS_REQUEST_ID "$_lambda_id"
        _lambda_export LAMBDA_RUNTIME_DEADLINE_MS "$_lambda_deadline"
        _lambda_export _X_AMZN_TRACE_ID "$_lambda_trace"
        if [[ "$_lambda_arn $_lambda_tenant $_lambda_cognito $_lambda_client" != "$_lambda_same" ]]; then
            _lambda_same="$_lambda_arn $_lambda_tenant $_lambda_cognito $_lambda_client" # seldom others than before
            _lambda_export LAMBDA_RUNTIME_INVOKED_FUNCTION_ARN "$_lambda_arn"
            _lambda_export LAMBDA_RUNTIME_AWS_TENANT_ID "$_lambda_tenant"
            _lambda_export LAMBDA_RUNTIME_COGNITO_IDENTITY "$_lambda_cognito"
            _lambda_export LAMBDA_RUNTIME_CLIENT_CONTEXT "$_lambda_client"
        fi
        _lambda_invoke
    elif [[ $_lambda_type == RESTORE ]]; then
        _lambda_id=''
        if declare -F after_restore >/dev/null; then
            after_restore || _lambda_stop "${_lambda_failure[0]:-Error}" "${_lambda_failure[1]:-after_restore failed}"
        fi
        printf 'READY 0\n' >&"$_lambda_out"
    fi
done
exit 0
