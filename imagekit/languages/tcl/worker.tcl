# Answers Lambda's events with a Tcl handler, over frames v1 (docs/frames.md).
#
# _HANDLER is "file.proc". The proc gets the event, a JSON text that lambda::decode has taken, and a context: a dict
# with aws_request_id, deadline_ms and so on. What it returns is the answer, a JSON text; with `return -content_type
# TYPE $bytes` it is these bytes. What it yields is streamed as bytes, in HTTP after `lambda::http STATUS name value
# ...`. lambda::decode, lambda::string and others are JSON (lambda_json.tcl), lambda::remaining $context the
# milliseconds left. The proc after_restore, if there is one, is called after a SnapStart restore.
encoding system utf-8
foreach channel {stdout stderr} { fconfigure $channel -encoding utf-8 -buffering line }
source [file join [file dirname [info script]] lambda_json.tcl]

namespace eval lambda {
    variable root [pwd]
    if {[info exists env(LAMBDA_TASK_ROOT)]} { set root $env(LAMBDA_TASK_ROOT) }
    variable type
    variable process [pid]
    lassign [split $env(IMAGEKIT_FDS) ,] in out
    set in [open /proc/self/fd/$in r]
    set out [open /proc/self/fd/$out w]
    variable environment {}
    foreach {name variable} {
        function_name FUNCTION_NAME function_version FUNCTION_VERSION memory_limit_in_mb FUNCTION_MEMORY_SIZE
        log_group_name LOG_GROUP_NAME log_stream_name LOG_STREAM_NAME
    } {
        set value ""
        if {[info exists env(AWS_LAMBDA_$variable)]} { set value $env(AWS_LAMBDA_$variable) }
        lappend environment $name $value
    }
    foreach channel [list $in $out] { fconfigure $channel -translation binary -buffering full -buffersize 65536 }
}

# The milliseconds that the event has left.
proc lambda::remaining {context} {
    return [expr {max(0, [dict get $context deadline_ms] - [clock milliseconds])}]
}

# Begins a streamed answer for HTTP; the body is yielded after it.
proc lambda::http {status args} {
    variable type application/vnd.awslambda.http-integration-response
    set headers [object {*}[concat {*}[lmap {name value} $args { list $name [string $value] }]]]
    yield [encoding convertto utf-8 [object statusCode $status headers $headers]][::string repeat \0 8]
}

proc lambda::Send {frame body args} {
    variable out
    variable process
    if {[pid] != $process} { exit } ;# a child that a handler has forked: the event is its parent's
    puts -nonewline $out "[join [list $frame [::string length $body] {*}$args]]\n$body"
    flush $out
}

proc lambda::Fault {type message} { return -code error -errorcode [list IMAGEKIT $type] $message }

proc lambda::Fail {frame message options args} {
    set code [dict get $options -errorcode]
    if {[lindex $code 0] eq "IMAGEKIT"} {
        set type [lindex $code 1]
        set counted $type
        set stack {}
    } else {
        set type [lindex $code 0]
        if {$type eq "NONE"} { set type Error }
        set counted Function.$type
        set stack [regexp -all -inline -line {\((?:procedure|file) .* line \d+\)} [dict get $options -errorinfo]]
    }
    set stack [lmap line $stack { if {[::string match {*"*lambda::*} $line]} { continue }; set line }]
    set stack [lrange $stack 0 99]
    catch { puts stderr [join [list "$type: $message" {*}$stack] "\n    "]; flush stderr }
    set lines [lmap line $stack { string $line }]
    set error [object errorType [string $type] errorMessage [string $message] stackTrace [array {*}$lines]]
    set counted [expr {[regexp {^[A-Z][a-z]+\.[A-Z][A-Za-z]*$} $counted] ? $counted : "-"}]
    Send $frame [encoding convertto utf-8 $error] {*}$args $counted
}

# The name of the user's proc.
proc lambda::Handler {} {
    variable root
    set handler ""
    if {[info exists ::env(_HANDLER)]} { set handler $::env(_HANDLER) }
    if {![regexp {^(.+)\.([^./]+)$} $handler all path name]} {
        Fault Runtime.MalformedHandlerName "the handler '$handler' is not of the form file.proc"
    }
    set file [file join $root $path.tcl]
    if {![file isfile $file] || ![file readable $file]} {
        Fault Runtime.ImportModuleError "there is no readable file $file"
    }
    lappend ::auto_path $root [file join $root lib]
    set code [open $file]
    set whole [info complete [read $code]]
    close $code
    if {!$whole} { Fault Runtime.UserCodeSyntaxError "$file ends inside a brace, a bracket or a quote" }
    uplevel #0 [list source $file]
    if {[info commands ::$name] eq ""} { Fault Runtime.HandlerNotFound "$file has no proc $name" }
    return ::$name
}

proc lambda::Field {text} {
    if {$text eq "-"} { return "" }
    if {[::string first % $text] < 0} { return $text }
    set text [regsub -all {%(..)} [::string map {\\ \\\\} $text] {\\x\1}]
    return [encoding convertfrom utf-8 [subst -nocommands -novariables $text]]
}

# A text as a field of a frame: printable ASCII but % stands as it is.
proc lambda::Encoded {text} {
    if {$text eq ""} { return "-" }
    if {$text eq "-"} { return "%2D" }
    set field ""
    foreach byte [split [encoding convertto utf-8 $text] ""] {
        if {![regexp {[!-$&-~]} $byte]} { set byte [format %%%02X [scan $byte %c]] }
        append field $byte
    }
    return $field
}

# An event's text. Bytes that are no UTF-8 would become letters, halves of surrogate pairs (ED A0 80 to ED BF BF) too.
proc lambda::Decoded {body} {
    if {$body eq ""} { return null }
    if {[catch { encoding convertfrom utf-8 $body } text] || [regexp {\xED[\xA0-\xBF]} $body]
            || [encoding convertto utf-8 $text] ne $body} {
        Fault Runtime.UnmarshalError "the event is not UTF-8"
    }
    return $text
}

proc lambda::Bytes {text} {
    if {[regexp {[^\u0000-\u00ff]} $text]} { set text [encoding convertto utf-8 $text] }
    return $text
}

# The coroutine of an event: every yield in the handler is a piece of the answer.
proc lambda::Event {handler body context} {
    variable decoded
    variable code [catch {
        set event [Decoded $body]
        if {[catch {decode $event} value]} { Fault Runtime.UnmarshalError "the event is not JSON: $value" }
        set decoded [list $event $value]
        $handler $event $context
    } result options]
    variable ended [list $result $options]
}

proc lambda::Invoke {handler body id args} {
    variable type application/octet-stream
    variable ended {}
    variable decoded {}
    variable code
    lassign [lmap field $args { Field $field }] deadline arn trace tenant identity client
    if {$trace eq ""} { unset -nocomplain ::env(_X_AMZN_TRACE_ID) } else { set ::env(_X_AMZN_TRACE_ID) $trace }
    set context [dict create aws_request_id [Field $id] deadline_ms $deadline invoked_function_arn $arn \
        trace_id $trace tenant_id $tenant identity $identity client_context $client {*}$lambda::environment]
    set piece [coroutine Step Event $handler $body $context]
    for {set streams 0} {[info commands [namespace current]::Step] ne ""} {set piece [Step]} {
        if {!$streams} { Send STREAM "" $id $type }
        set streams 1
        Send DATA [Bytes $piece] $id
    }
    lassign $ended result options
    if {$code == 1} { return [Fail [expr {$streams ? "FAIL" : "ERR"}] $result $options $id] }
    if {$streams} { return [Send END "" $id] }
    if {[dict exists $options -content_type]} {
        return [Send OK [Bytes $result] $id [Encoded [dict get $options -content_type]]]
    }
    if {$result eq ""} { set result null }
    Send OK [encoding convertto utf-8 $result] $id
}

proc lambda::Restored {} {
    expr {srand([clock microseconds] ^ [pid])}
    if {[info commands ::after_restore] ne ""} { uplevel #0 after_restore }
}

# Runs what comes before READY; ends the worker when it fails.
proc lambda::Ready {script} {
    if {![catch $script result options]} {
        Send READY ""
        return $result
    }
    if {[::string match "can't find package *" $result]} {
        dict set options -errorcode {IMAGEKIT Runtime.ImportModuleError}
    }
    Fail INITERR $result $options
    exit 1
}

proc lambda::Serve {handler} {
    variable in
    while {[gets $in header] >= 0} {
        set fields [lassign [split $header] frame length]
        set body [read $in $length]
        switch $frame {
            INVOKE { Invoke $handler $body {*}$fields }
            RESTORE { Ready Restored }
        }
    }
}

lambda::Serve [lambda::Ready lambda::Handler]
