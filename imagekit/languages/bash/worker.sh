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
_lambda_block=${IMAGEKIT_HEADER_BLOCK-} _lambda_status=0 _lambda_kept=0 _lambda_letter=$'\303\251'
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

# The variables of an event, by the words of its header.
_lambda_describe() {
    _lambda_export LAMBDA_RUNTIME_AWS_REQUEST_ID "$3"
    _lambda_export LAMBDA_RUNTIME_DEADLINE_MS "${4-}"
    _lambda_export LAMBDA_RUNTIME_INVOKED_FUNCTION_ARN "${5-}"
    _lambda_export _X_AMZN_TRACE_ID "${6-}"
    _lambda_export LAMBDA_RUNTIME_AWS_TENANT_ID "${7-}"
    _lambda_export LAMBDA_RUNTIME_COGNITO_IDENTITY "${8-}"
    _lambda_export LAMBDA_RUNTIME_CLIENT_CONTEXT "${9-}"
    _lambda_same="${5-} ${7-} ${8-} ${9-}"
}

# Answers with what the handler wrote; this is what stands before the first NUL in it.
_lambda_answer_bytes() {
    local size left
    _lambda_encode "$lambda_content_type"
    IFS=$' \t' read -r _ left <"/proc/self/fdinfo/$_lambda_reads"
    IFS=$' \t' read -r _ size <"/proc/self/fdinfo/$_lambda_writes"
    left=$((size - left))
    printf 'OK %d %s %s\n%s\0' "$((${#1} + 1 + left))" "$_lambda_id" "$_lambda_text" "$1" >&"$_lambda_out"
    head -c "$left" <&"$_lambda_reads" >&"$_lambda_out"
    _lambda_forget
}

# Gives the room of what was answered back. The next answer is written, and read, behind it all the same.
_lambda_forget() {
    : >|"/proc/self/fd/$_lambda_writes"
    _lambda_kept=0
}

# Ends an event that has no such answer: what the handler wrote is skipped.
_lambda_finish() {
    if ((_lambda_status)); then
        _lambda_error "$_lambda_function ended with status $_lambda_status"
    else
        printf 'END 0 %s\n' "$_lambda_id" >&"$_lambda_out"
    fi
    if IFS='' read -r -d '' -u "$_lambda_reads" _; then cat <&"$_lambda_reads" >/dev/null; fi
    _lambda_forget
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

_lambda_restore() {
    if declare -F after_restore >/dev/null; then
        after_restore || _lambda_stop "${_lambda_failure[0]:-Error}" "${_lambda_failure[1]:-after_restore failed}"
    fi
    printf 'READY 0\n' >&"$_lambda_out"
}

_lambda_function=${_HANDLER##*.} _lambda_source=${LAMBDA_TASK_ROOT:-.}/${_HANDLER%.*}.sh
if [[ $_HANDLER != ?*.?* || $_lambda_function == */* ]]; then
    _lambda_stop Runtime.MalformedHandlerName "the handler '$_HANDLER' is not of the form file.function"
elif [[ ! -f $_lambda_source || ! -r $_lambda_source ]]; then
    _lambda_stop Runtime.ImportModuleError "there is no readable file $_lambda_source"
fi
# What the handler writes goes to the end of a file without a name, and is read from where the last answer ended.
_lambda_text=$(mktemp 2>&1) && exec {_lambda_writes}<>"$_lambda_text" {_lambda_reads}<"$_lambda_text" \
    || _lambda_stop Runtime.InitError "there is no room for answers: $_lambda_text"
rm -f "$_lambda_text"
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
# One turn answers an event, and calls the handler with the next one. It is no function and calls few: Bash copies all
# of a function's commands whenever it is called, which takes longer than running them.
while :; do
    # Bytes are counted in the locale C, the handler has the one that it wants. LC_ALL is slow to set.
    if [[ ${#_lambda_letter} == 1 ]]; then
        _lambda_wide=1 _lambda_all=${LC_ALL-} _lambda_ctype=${LC_CTYPE-}
        if [[ $_lambda_all ]]; then LC_ALL=C; else LC_CTYPE=C; fi
    else
        _lambda_wide=''
    fi

    if [[ $_lambda_id ]]; then
        if [[ $_lambda_status != 0 || $_lambda_streams ]]; then
            _lambda_finish
        elif IFS='' read -r -d '' -u "$_lambda_reads" _lambda_answer; then
            _lambda_answer_bytes "$_lambda_answer"
        else # the end of the file: no NUL is in it
            _lambda_text=''
            if [[ $lambda_content_type ]]; then _lambda_encode "$lambda_content_type"; fi
            printf 'OK %d %s %s\n%s' "${#_lambda_answer}" "$_lambda_id" "${_lambda_text:--}" "$_lambda_answer" \
                >&"$_lambda_out"
            if (((_lambda_kept += ${#_lambda_answer}) > 1048576)); then _lambda_forget; fi
        fi
        _lambda_id=''
    fi

    if [[ $_lambda_block ]]; then
        IFS='' read -r -N "$_lambda_block" -u "$_lambda_in" _lambda_header || break
        while [[ ${_lambda_header: -1} != $'\n' ]]; do
            IFS='' read -r -N "$_lambda_block" -u "$_lambda_in" _lambda_text || break 2
            _lambda_header+=$_lambda_text
        done
    else
        IFS='' read -r -u "$_lambda_in" _lambda_header || break
    fi
    _lambda_ifs=${IFS-$' \t\n'} IFS=$' \n'
    case $- in
        *f*) set -- $_lambda_header ;;
        *)
            set -f # for fields that look like patterns
            set +f -- $_lambda_header
            ;;
    esac
    IFS=$_lambda_ifs

    # `read -N` leaves NULs out and waits for as many other bytes: the client gives no event that has some.
    _lambda_event=''
    [[ $2 == 0 ]] || IFS='' read -r -N "$2" -u "$_lambda_in" _lambda_event || break

    if [[ $1 == INVOKE ]]; then
        _lambda_id=$3
        case "$3 ${4:--} ${6:--} " in
            *%* | *' - '*) _lambda_describe "$@" ;;
            *)
                export LAMBDA_RUNTIME_AWS_REQUEST_ID="$3" LAMBDA_RUNTIME_DEADLINE_MS="$4" _X_AMZN_TRACE_ID="$6"
                # The others seldom change. [[ would compare as the handler's nocasematch wants it.
                if [ "$5 ${7-} ${8-} ${9-}" != "$_lambda_same" ]; then _lambda_describe "$@"; fi
                ;;
        esac
    fi
    if [[ ! $_lambda_wide ]]; then
        :
    elif [[ $_lambda_all ]]; then
        LC_ALL=$_lambda_all
    elif [[ $_lambda_ctype ]]; then
        LC_CTYPE=$_lambda_ctype
    else
        unset LC_CTYPE
    fi

    _lambda_stack='' _lambda_calls='' _lambda_outer='' _lambda_failure=() _lambda_streams='' lambda_content_type=''
    if [[ $_lambda_id ]]; then
        "$_lambda_function" "$_lambda_event" >&"$_lambda_writes"
        _lambda_status=$?
    elif [[ $1 == RESTORE ]]; then
        _lambda_restore
    fi
done
exit 0
